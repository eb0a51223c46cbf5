import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Instant, Timer, World } from '../../src/core/index.ts';
import type { HistoryRule } from '../../src/engine/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { type Nats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './nats-bus.ts';

/** Of a minute, so that a mark comes after 45 to 57 s. */
const RULE: HistoryRule = { name: '/ r*', size: 100, age: 1000 };
const MINUTE = 60_000;

/** The real world, in which long waits can be skipped. */
class SkippingWorld implements World {
  readonly random = realWorld().random;
  readonly #real = realWorld();
  readonly #armed = new Set<{ readonly at: Instant; readonly run: () => void }>();
  #skipped = 0;

  now(): Instant {
    return this.#real.now() + this.#skipped;
  }

  timer(at: Instant, run: () => void): Timer {
    const armed = { at, run: () => this.#armed.delete(armed) && run() };
    this.#armed.add(armed);
    const timer = this.#real.timer(at - this.#skipped, armed.run);
    return {
      cancel: () => {
        timer.cancel();
        this.#armed.delete(armed);
      },
    };
  }

  soon(run: () => void): void {
    this.#real.soon(run);
  }

  skip(ms: number): void {
    this.#skipped += ms;
    for (const { at, run } of [...this.#armed]) if (at <= this.now()) run();
  }
}

describe('a log in which nothing happens', () => {
  let nats: Nats;
  let clusters = 0;
  beforeAll(async () => {
    nats = await startNats({ jetstream: true });
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  const fresh = (): { servers: string; name: string } => ({
    servers: nats.url,
    name: `m${++clusters}`,
    ...{ answerWait: 1000 },
  });

  async function streamOf(name: string): Promise<string> {
    return (await nats.streams()).find((stream) => stream.startsWith(`HAWSER_${name}_`)) ?? '';
  }

  /** The entries of a stream, by number. */
  async function kept(name: string): Promise<number> {
    await using client = await connect({ servers: nats.url });
    return (await (await jetstreamManager(client)).streams.info(await streamOf(name))).state.last_seq;
  }

  test('gets a mark from one of those who watch, and none that has what was missed', async () => {
    const options = fresh();
    const worlds = [new SkippingWorld(), new SkippingWorld()];
    await using here = await HeardBus.start(options, worlds[0]);
    await using there = await HeardBus.start(options, worlds[1]);
    for (const { bus } of [here, there]) bus.watchLog('/', 'r', RULE);
    const first = await here.bus.append('/', 'r', RULE, bytes('a'), {});
    await until(() => there.entries.length === 1, 'it is heard');
    const before = await kept(options.name);
    // The first look comes early, and then one as often as a mark is due.
    for (let i = 0; i < 4; i++) {
      for (const world of worlds) world.skip(MINUTE);
      await until(async () => (await kept(options.name)) > before + i, 'a mark is added');
    }
    const marks = (await kept(options.name)) - before;
    expect(marks).toBeLessThanOrEqual(8);
    const second = await there.bus.append('/', 'r', RULE, bytes('b'), {});
    await until(() => here.entries.length === 2 && there.entries.length === 2, 'it is heard');
    // Marks are nobody's business but ours.
    for (const { entries, reported, told } of [here, there]) {
      expect(entries.map(({ offset, previous }) => [offset, previous])).toEqual([
        [first.offset, 0],
        [second.offset, first.offset],
      ]);
      expect([reported, told]).toEqual([[], []]);
    }
    // By number the place itself goes, and the marks prove that nothing was in between.
    await using client = await connect({ servers: nats.url });
    const manager = await jetstreamManager(client);
    await manager.streams.purge(await streamOf(options.name), { seq: first.offset + 2 });
    const read = await here.bus.read('/', 'r', RULE, { since: first });
    expect(read.isWhole && read.entries.map((entry) => [text(entry.bytes), entry.previous])).toEqual([
      ['b', first.offset],
    ]);
  });

  test.each(['its own', "another's"])('%s mark tells a node of an entry that was lost on its way', async (whose) => {
    const options = fresh();
    const [hereWorld, thereWorld] = [new SkippingWorld(), new SkippingWorld()];
    await using way = await LosingWay.open(nats.port, (frame) => frame.includes('lost'));
    await using here = await HeardBus.start(options, hereWorld);
    await using there = await HeardBus.start({ ...options, servers: way.url }, thereWorld);
    for (const { bus } of [here, there]) bus.watchLog('/', 'r', RULE);
    const first = await here.bus.append('/', 'r', RULE, bytes('a'), {});
    const lost = await here.bus.append('/', 'r', RULE, bytes('lost'), {});
    await until(() => here.entries.length === 2 && way.lost === 1, 'it is lost');
    const world = whose === 'its own' ? thereWorld : hereWorld;
    way.isLosing = false;
    let rounds = 0;
    await until(() => {
      // Not so often that who waits for an answer gives up.
      if (rounds++ % 50 === 0) world.skip(MINUTE);
      return there.entries.length === 2;
    }, 'it is told');
    expect(there.entries.map((entry) => [entry.text, entry.previous, entry.epoch])).toEqual([
      ['a', 0, first.epoch],
      ['lost', first.offset, first.epoch],
    ]);
    const next = await here.bus.append('/', 'r', RULE, bytes('b'), {});
    await until(() => there.entries.length === 3, 'it goes on');
    expect(there.entries[2]).toMatchObject({ offset: next.offset, previous: lost.offset });
    // Time was skipped, so that an answer may have been waited for in vain.
    expect(there.told).toEqual([]);
  });

  test('its mark finds out that the stream was deleted', async () => {
    const options = fresh();
    const world = new SkippingWorld();
    await using bus = await HeardBus.start(options, world);
    bus.bus.watchLog('/', 'r', RULE);
    const first = await bus.bus.append('/', 'r', RULE, bytes('a'), {});
    await until(() => bus.entries.length === 1, 'it is heard');
    await using client = await connect({ servers: nats.url });
    await (await jetstreamManager(client)).streams.delete(await streamOf(options.name));
    let rounds = 0;
    await until(() => {
      if (rounds++ % 50 === 0) world.skip(MINUTE);
      return bus.times('reconnected') === 1;
    }, 'it notices');
    expect(await bus.bus.read('/', 'r', RULE, { since: first })).toMatchObject({ isWhole: false, reason: 'epoch' });
  });

  test('is found out of by who begins to watch, before its entries run out', async () => {
    const options = fresh();
    const world = new SkippingWorld();
    await using here = await HeardBus.start(options);
    const first = await here.bus.append('/', 'r', RULE, bytes('a'), {});
    await using there = await HeardBus.start(options, world);
    there.bus.watchLog('/', 'r', RULE);
    const before = await kept(options.name);
    world.skip(MINUTE / 4);
    await until(async () => (await kept(options.name)) > before, 'a mark is added');
    await here.bus.append('/', 'r', RULE, bytes('b'), {});
    await until(() => there.entries.length === 1, 'it is heard');
    expect(there.entries[0]).toMatchObject({ text: 'b', previous: first.offset });
  });
});

/** Passes the protocol of NATS on, but for messages to the client that are to be lost. */
class LosingWay implements AsyncDisposable {
  isLosing = true;
  lost = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, isLost: (frame: Buffer) => boolean) {
    this.#server = createServer((client) => {
      const up = dial(port, '127.0.0.1');
      client.pipe(up);
      let left: Buffer = Buffer.alloc(0);
      up.on('data', (chunk: Buffer) => {
        left = Buffer.concat([left, chunk]);
        for (let end = frameEnd(left); end > 0; end = frameEnd(left)) {
          const frame = left.subarray(0, end);
          left = left.subarray(end);
          if (this.isLosing && isLost(frame)) this.lost++;
          else client.write(frame);
        }
      });
      for (const socket of [client, up]) this.#sockets.add(socket.on('error', () => {}));
    });
  }

  static async open(port: number, isLost: (frame: Buffer) => boolean): Promise<LosingWay> {
    const way = new LosingWay(port, isLost);
    await once(way.#server.listen(0, '127.0.0.1'), 'listening');
    return way;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** Where the first frame of what a server says ends; 0 when it isn't whole. */
function frameEnd(said: Buffer): number {
  const line = said.indexOf('\r\n');
  if (line < 0) return 0;
  const words = said.subarray(0, line).toString().split(' ');
  const end = line + 2 + (/^H?MSG$/.test(words[0] ?? '') ? Number(words.at(-1)) + 2 : 0);
  return said.length < end ? 0 : end;
}
