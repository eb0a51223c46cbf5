import type { Load } from './orders.ts';
import type { Channel, Connection } from './peer.ts';
import { pour } from './pouring.ts';
import { type Counts, serveChannel } from './serving.ts';
import { clock, Messages, pattern } from './tally.ts';

type Dial = () => Promise<Connection>;

/** Starts a load. Resolves, when it runs, with what ends it. */
export async function startLoad(load: Load, dial: Dial, counts: Counts): Promise<() => Promise<void>> {
  switch (load.kind) {
    case 'bulk':
      return pour(await (await dial()).open(), load.chunk, counts);
    case 'fetch':
      return fetched(await dial(), counts);
    case 'round-trips':
      return roundTrips(await dial(), load.size, counts);
    case 'ticks':
      return ticks(await dial(), load, counts);
    case 'forged':
      throw new Error('forged datagrams belong to no connection');
    default:
      return handshakes(dial, load.atOnce, counts);
  }
}

/** A server that sends without end is asked for it. */
async function fetched(connection: Connection, counts: Counts): Promise<() => Promise<void>> {
  const channel = await connection.open();
  serveChannel(channel, 'gaps', counts);
  channel.send(pattern(1));
  return async () => {};
}

/** One message after the other, each sent when the answer to the last one is there. */
async function roundTrips(connection: Connection, size: number, counts: Counts): Promise<() => Promise<void>> {
  const channel = await connection.open();
  const message = pattern(size);
  const load = { going: true };
  let sentAt = clock();
  const messages = new Messages(size, () => {
    const now = clock();
    counts.latencies.add(now - sentAt);
    counts.messages++;
    if (!load.going) return;
    sentAt = now;
    channel.send(message);
  });
  channel.onData = (bytes) => messages.push(bytes);
  channel.send(message);
  return async () => {
    load.going = false;
  };
}

/** Each stream sends a message at every tick. A tick that comes late is not made up for. */
async function ticks(
  connection: Connection,
  { size, streams, everyMs }: Extract<Load, { kind: 'ticks' }>,
  counts: Counts,
): Promise<() => Promise<void>> {
  const channels: Channel[] = [];
  for (let i = 0; i < streams; i++) channels.push(await connection.open());
  const sendAll = (): void => {
    for (const channel of channels) {
      const message = pattern(size);
      new DataView(message.buffer).setFloat64(0, clock());
      channel.send(message);
      counts.messages++;
    }
  };
  let next = clock();
  let timer: NodeJS.Timeout;
  const tick = (): void => {
    connection.batch(sendAll);
    next = Math.max(next + everyMs, clock());
    timer = setTimeout(tick, next - clock());
  };
  tick();
  return async () => clearTimeout(timer);
}

/** Sessions that are opened and closed again, a few at a time. */
async function handshakes(dial: Dial, atOnce: number, counts: Counts): Promise<() => Promise<void>> {
  const load = { going: true };
  const lane = async (): Promise<void> => {
    while (load.going) {
      const connection = await dial();
      counts.messages++;
      await connection.close();
    }
  };
  const lanes = Array.from({ length: atOnce }, lane);
  return async () => {
    load.going = false;
    await Promise.all(lanes);
  };
}
