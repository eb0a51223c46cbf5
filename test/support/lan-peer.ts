/** Buses of the local network in a process of its own, which does what its parent tells it by IPC. */
import { type ClientSocket, connect, type DialTarget } from '../../src/client/index.ts';
import { createServer, type Server } from '../../src/index.ts';
import {
  type Announcement,
  type AnnounceOptions,
  announce,
  type DiscoverOptions,
  discover,
  type LanBus,
  type LanGap,
  type LanOptions,
  openLan,
  openUdp,
  type UdpOptions,
} from '../../src/lan-endpoint/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { Answer } from './namespaces.ts';

/** What one who listens has heard of topic `n`, whose messages are numbers. */
export interface Heard {
  readonly data: readonly number[];
  readonly gaps: readonly LanGap[];
  /** Messages that had been missing. */
  readonly recovered: number;
  readonly ends: readonly string[];
  readonly publishers: number;
  readonly lost: number;
}

export interface PublishArgs {
  readonly from: number;
  readonly count: number;
  /** How many in one turn of the event loop, and the ms to the next. */
  readonly burst: number;
  readonly pause: number;
}

export interface RelayArgs {
  readonly from: string;
  readonly to: string;
  readonly options: UdpOptions;
  readonly loss: number;
  readonly seed: number;
}

const open: AsyncDisposable[] = [];
let bus: LanBus | undefined;
let server: Server | undefined;
let heard = nothing();
let tell: () => void = () => {};

function nothing(): { -readonly [Name in keyof Heard]: Heard[Name] } & {
  data: number[];
  gaps: LanGap[];
  ends: string[];
} {
  return { data: [], gaps: [], recovered: 0, ends: [], publishers: 0, lost: 0 };
}

function here(): LanBus {
  if (bus === undefined) throw new Error('no bus is open');
  return bus;
}

const soon = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until what is heard is enough. */
async function until(isEnough: () => boolean): Promise<void> {
  while (!isEnough()) {
    await new Promise<void>((resolve) => {
      tell = resolve;
    });
  }
}

const COMMANDS: Readonly<Record<string, (args: never) => unknown>> = {
  async open({ url, options }: { url: string; options: LanOptions }) {
    bus = await openLan(url, options);
    open.push(bus);
    return bus.address;
  },

  /** Notes what is heard from now on. */
  listen() {
    heard = nothing();
    const now = heard;
    const note = (run: () => void): void => {
      run();
      tell();
    };
    here()
      .on('message', ({ topic, data }) => note(() => topic === 'n' && now.data.push(data as number)))
      .on('gap', (gap) => note(() => now.gaps.push(gap)))
      .on('recovered', ({ from, to }) => note(() => (now.recovered += to - from + 1)))
      .on('publisher', () => note(() => now.publishers++))
      .on('end', ({ publisher }) => note(() => now.ends.push(publisher)));
  },

  /** Waits for a message with this number. */
  async hears({ last }: { last: number }): Promise<Heard> {
    await until(() => heard.data.at(-1) === last);
    return { ...heard, lost: here().stats().heard?.lost ?? 0 };
  },

  /** Waits until so many publishers are heard. */
  publishers: ({ count }: { count: number }) => until(() => heard.publishers >= count),

  /** Waits until so many publishers have ended. */
  ends: ({ count }: { count: number }) => until(() => heard.ends.length >= count),

  /** Says something that may be lost, so that others know that this bus is there. */
  greet: () => here().publish('hello', 0, { volatile: true }),

  async publish({ from, count, burst, pause }: PublishArgs) {
    for (let i = from; i < from + count; i++) {
      const isTaken = here().publish('n', i);
      if (!isTaken) await new Promise<void>((resolve) => here().once('drain', () => resolve()));
      if (i % burst === burst - 1) await soon(pause);
    }
  },

  stats: () => here().stats(),

  /** Passes on what is said on one group to another, but for a share of it. */
  async relay({ from, to, options, loss, seed }: RelayArgs) {
    const chance = seededRandom(seed);
    const [ear, mouth] = [await openUdp(from, options), await openUdp(to, { ...options, listen: false })];
    open.push(ear, mouth);
    ear.on('message', (bytes) => (chance.unit() < loss ? undefined : mouth.send(bytes)));
  },

  /** A server that answers `where` with `name`, and announces itself. */
  async serve({ url, ...options }: AnnounceOptions & { url: string }) {
    server = createServer({ insecure: true });
    server.on('connection', (socket) => socket.handle('where', () => options.name));
    const endpoints = await server.listen(url);
    const announcement: Announcement = await announce(server, options);
    open.push(server, announcement);
    return endpoints;
  },

  discover: (options: DiscoverOptions) => discover(options),

  /** Asks a server that was found where it is. */
  async visit({ target }: { target: DialTarget }) {
    await using socket: ClientSocket = await connect(target);
    return [socket.transport, await socket.request('where')];
  },

  /** Sends datagrams to one address or group: garbage, from a seed. */
  async attack({ url, options, count, seed }: { url: string; options: UdpOptions; count: number; seed: number }) {
    await using mouth = await openUdp(url, { ...options, listen: false });
    const chance = seededRandom(seed);
    for (let i = 0; i < count; i++) {
      const bytes = new Uint8Array(chance.bytes(4 + Math.floor(chance.unit() * 1200)));
      // Some begin as datagrams of the bus do.
      if (i % 2 === 0) bytes.set([0x48, 0x4c, 0x10 | (i % 16), 0]);
      await mouth.send(bytes);
    }
  },

  async close() {
    for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  },
};

process.on('message', async ({ id, command, args }: { id: number; command: string; args: never }) => {
  let answer: Answer;
  try {
    answer = { id, result: await COMMANDS[command]?.(args) };
  } catch (error) {
    answer = { id, error: String((error as Error).stack) };
  }
  process.send?.(answer);
});
process.once('disconnect', () => process.exit());
process.send?.('ready');
