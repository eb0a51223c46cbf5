/** One process of a benchmark: a server or a load generator. It does what the conductor orders over the IPC channel. */

import type { Answer } from '../asking.ts';
import { flood } from './flood.ts';
import { forgeBeside } from './forger.ts';
import { startLoad } from './loads.ts';
import type { Mark, Mode, Order } from './orders.ts';
import type { Connection, Forged, Peer } from './peer.ts';
import { loadPeer } from './peers/index.ts';
import { type Counts, serveChannel } from './serving.ts';
import { clock, Latencies, pattern } from './tally.ts';

const VERIFIED_BYTES = 1024 * 1024;
const PIECE_BYTES = 16_384;

type Forge = (wanted: Forged) => Promise<() => Promise<void>>;

const counts: Counts = { bytes: 0, messages: 0, latencies: new Latencies() };
let mode: Mode = 'echo';
let dial: () => Promise<Connection> = () => Promise.reject(new Error('there is no one to dial'));
let current: Connection | undefined;
let served: Peer | undefined;
let forge: Forge = () => Promise.reject(new Error('there is no one to flood'));
let finish: () => Promise<void> = async () => {};

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return {
    atMs: clock(),
    cpuUs: user + system,
    rssBytes: process.memoryUsage.rss(),
    bytes: counts.bytes,
    messages: counts.messages,
    bytesSent: current?.bytesSent?.(),
    datagrams: served?.datagrams?.(),
    latency: counts.latencies.summary(),
  };
}

/** Sends a MiB that looks like chance, and compares each byte that comes back. */
async function verify(): Promise<void> {
  const connection = await dial();
  const channel = await connection.open();
  const bytes = pattern(VERIFIED_BYTES);
  let compared = 0;
  await new Promise<void>((resolve, reject) => {
    channel.onData = (part) => {
      const expected = bytes.subarray(compared, compared + part.length);
      if (Buffer.compare(expected, part) !== 0) reject(new Error(`what came back differs after ${compared} bytes`));
      compared += part.length;
      if (compared === VERIFIED_BYTES) resolve();
    };
    let sent = 0;
    const pump = (): void => {
      let room = true;
      for (; room && sent < VERIFIED_BYTES; sent += PIECE_BYTES) {
        room = channel.send(bytes.subarray(sent, sent + PIECE_BYTES));
      }
    };
    channel.onDrain = pump;
    pump();
  });
  await connection.close();
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'serve':
      served = await loadPeer(order.peer);
      return served.serve(order.place, (channel) => serveChannel(channel, mode, counts));
    case 'mode':
      mode = order.mode;
      return undefined;
    case 'verify': {
      const peer = await loadPeer(order.peer);
      dial = async () => {
        current = await peer.dial(order.target, order.place);
        return current;
      };
      forge = (wanted) => flood(peer, order.target, order.place, wanted);
      return verify();
    }
    case 'begin': {
      const { load, forgery } = order;
      const forged = load.kind === 'forged' && forgery !== undefined;
      finish = forged ? await forge({ forgery, size: load.size }) : await startLoad(load, dial, counts);
      return undefined;
    }
    case 'forge':
      return forgeBeside(order, counts);
    case 'id':
      return current?.id?.();
    case 'mark':
      return mark();
    default:
      return finish();
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
