import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Forged, Peer, Place, Target } from './peer.ts';

/** Datagrams that are sent before the event loop gets its turn. */
const AT_ONCE = 64;

/** Sends forged datagrams as fast as they go. Resolves, when it runs, with what ends it. */
export async function flood(peer: Peer, target: Target, place: Place, wanted: Forged): Promise<() => Promise<void>> {
  const make = await peer.forge?.(target, place, wanted);
  if (make === undefined) throw new Error('it has nothing to forge');
  const socket = createSocket('udp4');
  const connected = once(socket, 'connect');
  socket.connect(target.port, target.host);
  await connected;
  const load = { going: true };
  const turn = (): void => {
    if (!load.going) return;
    // It is the system's when `send` returns, but for what has to wait, which is as forged when it has changed.
    for (let left = AT_ONCE; left > 0; left--) socket.send(make(), () => {});
    setImmediate(turn);
  };
  turn();
  return async () => {
    load.going = false;
    socket.close();
  };
}
