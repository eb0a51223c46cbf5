import type { Connection, Target } from '../peer.ts';
import { bound } from './udp-socket.ts';

const SEALED = 0x40;
const KIND_BITS = 0xc0;
const ID_BYTES = 8;

/** Dials through a relay, as somebody on the way would see it, and tells the id that the client sends to. The session stays open. */
export async function sessionId(target: Target, dial: (near: Target) => Promise<Connection>): Promise<Uint8Array> {
  const [near, far] = [await bound(target.host), await bound(target.host)];
  let back = 0;
  let id: Uint8Array | undefined;
  near.on('message', (bytes, { port }) => {
    back = port;
    if (((bytes[0] ?? 0) & KIND_BITS) === SEALED) id = Uint8Array.from(bytes.subarray(1, 1 + ID_BYTES));
    far.send(bytes, target.port, target.host);
  });
  far.on('message', (bytes) => near.send(bytes, back, target.host));
  await dial({ ...target, port: near.address().port });
  if (id === undefined) throw new Error('no sealed datagram was seen');
  return id;
}
