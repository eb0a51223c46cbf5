import { randomFillSync } from 'node:crypto';
import type { Order } from './orders.ts';
import { bound } from './peers/udp-socket.ts';
import type { Counts } from './serving.ts';
import { clock } from './tally.ts';

/** As long as the datagrams of short messages are; all else in them is chance. */
const SIZE = 64;
const SEALED = 0x40;
/** The session has not come to these numbers yet: what can't be new is dropped unopened. */
const NUMBERS_FROM = 1 << 24;
const NUMBER_AT = 9;
/** Datagrams that were made beforehand. */
const MADE = 1024;
/** What is made up for after a pause, in ms. */
const LATE_MOST = 20;

/** Sends datagrams that look sealed, from an address of its own, as many a second as it is told, until the process ends. */
export async function forgeBeside(
  { target, id, perSecond }: Extract<Order, { do: 'forge' }>,
  counts: Counts,
): Promise<void> {
  const socket = await bound('0.0.0.0');
  // Whatever is answered.
  socket.on('message', () => {});
  const forged = Array.from({ length: MADE }, (_, number) => {
    const bytes = randomFillSync(Buffer.alloc(SIZE));
    bytes[0] = SEALED;
    if (id !== undefined) bytes.set(Buffer.from(id, 'hex'), 1);
    bytes.writeUInt32BE(NUMBERS_FROM + number, NUMBER_AT);
    return bytes;
  });
  let due = 0;
  let last = clock();
  const tick = (): void => {
    const now = clock();
    due += (Math.min(now - last, LATE_MOST) * perSecond) / 1e3;
    last = now;
    for (; due >= 1; due--) socket.send(forged[counts.messages++ % MADE] ?? '', target.port, target.host);
    setTimeout(tick, 1);
  };
  tick();
}
