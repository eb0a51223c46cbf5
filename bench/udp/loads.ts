import type { Load } from './orders.ts';
import type { Channel, Connection } from './peer.ts';
import type { Counts } from './serving.ts';
import { clock, Messages, pattern } from './tally.ts';

type Dial = () => Promise<Connection>;

/** Starts a load. Resolves, when it runs, with what ends it. */
export async function startLoad(load: Load, dial: Dial, counts: Counts): Promise<() => Promise<void>> {
  switch (load.kind) {
    case 'bulk':
      return bulk(await dial(), load.chunk, counts);
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

/** What is written before the event loop gets its turn: some protocols always have room. */
const TURN_BYTES = 4 * 1024 * 1024;
const TURN_WRITES = 1024;

async function bulk(connection: Connection, size: number, counts: Counts): Promise<() => Promise<void>> {
  const channel = await connection.open();
  const chunk = pattern(size);
  const most = Math.min(TURN_WRITES, Math.ceil(TURN_BYTES / size));
  const load = { going: true };
  let left = most;
  let yielding = false;
  let room = true;
  const pump = (): void => {
    for (; load.going && room && left > 0; left--) {
      room = channel.send(chunk);
      counts.messages++;
    }
    if (left > 0 || yielding) return;
    yielding = true;
    setImmediate(() => {
      left = most;
      yielding = false;
      pump();
    });
  };
  channel.onDrain = () => {
    room = true;
    pump();
  };
  pump();
  return async () => {
    load.going = false;
  };
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
