import { MessageChannel, threadId } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Outbound } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, End, numbered, numberOf } from '../../testing/link-bench.ts';
import type { ListenOptions } from '../../transport/index.ts';
import { DIRECTORY } from './directory.ts';
import { createWorkerTransport } from './index.ts';
import { WINDOW_BYTES } from './letter.ts';

let names = 0;

const open = (change?: Partial<ListenOptions>): Promise<Bench> =>
  Bench.open(
    {
      api: { describe, test, expect },
      transport: createWorkerTransport({ seekWait: 100 }),
      world: realWorld(),
      listenUrl: () => `worker:strangers-${names++}`,
      deadUrl: () => 'worker:nobody',
    },
    change,
  );

/** A peer that posts what it likes. */
class Stranger {
  readonly heard: unknown[] = [];
  readonly gone: Promise<void>;
  readonly #port;

  static async visit(bench: Bench): Promise<{ stranger: Stranger; server: End }> {
    const { port1, port2 } = new MessageChannel();
    const stranger = new Stranger(port1);
    const accepted = bench.accepted();
    await DIRECTORY.call(threadId, { name: bench.endpoint.path, protocols: bench.protocols, port: port2 });
    return { stranger, server: new End(await accepted) };
  }

  constructor(port: MessageChannel['port1']) {
    this.#port = port;
    port.on('message', (value) => this.heard.push(value));
    this.gone = new Promise((resolve) => port.on('close', resolve));
  }

  post(value: unknown): void {
    this.#port.postMessage(value);
  }

  close(): void {
    this.#port.close();
  }
}

/** A frame of `length` bytes in all, up to 4 KiB. */
function frame(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint16(0, 0x4000 | ((length - 2) * 4));
  return bytes;
}

describe('a worker listener and its strangers', () => {
  test.each<[string, unknown]>([
    ['text', 'hello'],
    ['nothing', undefined],
    ['a map', new Map([[1, 2]])],
    ['bytes outside a letter', new Uint8Array(3)],
    ['shared memory', [0, new Uint8Array(new SharedArrayBuffer(8))]],
    ['acknowledgements of what was not sent', [1]],
    ['an unknown kind of frame', [0, Uint8Array.of(0x03)]],
  ])('%s ends the link with 4506, and no other', async (_, value) => {
    await using bench = await open();
    const other = await bench.pair();
    const { stranger, server } = await Stranger.visit(bench);
    stranger.post([0, Uint8Array.of(0x04, 9)]);
    stranger.post(value);
    expect((await server.end).code).toBe(4506);
    expect([server.heard, server.link.queued]).toEqual([1, 0]);
    await stranger.gone;
    other.client.link.send(numbered(1, 10));
    expect(numberOf(await other.server.bytes())).toBe(1);
    expect(bench.reported).toEqual([]);
  });

  test('whatever a stranger posts, others do not notice', async () => {
    await using bench = await open();
    const other = await bench.pair();
    const words = fc.oneof(
      fc.anything({ withTypedArray: true, withBigInt: true, withDate: true, withMap: true }),
      fc.tuple(fc.nat(3), fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 })),
      fc.tuple(fc.constantFrom('broken', 'ended', 'welcome'), fc.anything()),
    );
    const runs = fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 20 }), async (posted) => {
      const { stranger, server } = await Stranger.visit(bench);
      for (const value of posted) stranger.post(value);
      stranger.close();
      const { code } = await server.end;
      expect(server.ends).toBe(1);
      expect(code).toBeLessThanOrEqual(65_535);
      other.client.link.send(numbered(7, 10));
      expect(numberOf(await other.server.bytes())).toBe(7);
    });
    await fc.assert(runs, { numRuns: 200 });
    expect(bench.reported).toEqual([]);
  });

  test('more than the window to one who does not read ends the link, and no memory grows', async () => {
    await using bench = await open();
    const { stranger, server } = await Stranger.visit(bench);
    server.link.pause();
    await bench.turns(2);
    const most = WINDOW_BYTES / 4096;
    for (let i = 0; i < most; i++) stranger.post([0, frame(4096)]);
    await bench.turns(10);
    expect(server.ends).toBe(0);
    stranger.post([0, frame(4096)]);
    expect((await server.end).code).toBe(4506);
  });

  test('an announced length over the limit is refused before its bytes', async () => {
    await using bench = await open({ messageBytes: 1000 });
    const { stranger, server } = await Stranger.visit(bench);
    stranger.post([0, frame(1003).subarray(0, 2)]);
    expect((await server.end).code).toBe(4503);
  });

  test('a message may be cut among letters', async () => {
    await using bench = await open();
    const { stranger, server } = await Stranger.visit(bench);
    for (const byte of frame(20)) stranger.post([0, Uint8Array.of(byte)]);
    expect((await server.bytes()).length).toBe(18);
  });

  test('a port that closes without a word: the thread is gone', async () => {
    await using bench = await open();
    const { stranger, server } = await Stranger.visit(bench);
    stranger.close();
    expect(await server.end).toMatchObject({ code: 1006, cause: { code: 'ERR_THREAD_ENDED', data: { exitCode: 1 } } });
  });

  test('a call to a name that is listened on no more is looked for elsewhere', async () => {
    await using bench = await open();
    const { url } = bench;
    const dialled = codeOf(bench.dialTo(url));
    await bench.listener.close();
    expect(await dialled).toBe('ERR_CONNECT_FAILED');
  });

  test('who dials before anybody listens is answered as soon as somebody does', async () => {
    await using bench = await open();
    const accepted = bench.accepted();
    const dialled = bench.dialTo('worker:later');
    await using listener = await bench.listenOn('worker:later');
    expect((await dialled).protocol).toBe(bench.protocols[0]);
    expect([(await accepted).transport, listener.endpoint]).toEqual(['worker', 'worker:later']);
  });

  test('an acknowledgement is sent for every quarter of the window', async () => {
    await using bench = await open();
    const { stranger } = await Stranger.visit(bench);
    const acknowledged = (): number =>
      stranger.heard.reduce<number>((sum, letter) => sum + (Number((letter as [unknown])[0]) || 0), 0);
    for (let i = 0; i < 40; i++) stranger.post([0, frame(4096)]);
    await bench.until(() => acknowledged() >= 32 * 4096);
    expect(acknowledged()).toBeLessThanOrEqual(40 * 4096);
  });

  test('names: one is needed, and in one thread it is taken once', async () => {
    await using bench = await open();
    expect(await codeOf(bench.listenOn('worker:'))).toBe('ERR_URL');
    expect(await codeOf(bench.dialTo('worker:'))).toBe('ERR_URL');
  });

  test('a message that is marked as movable is gone from its sender, and whole at its receiver', async () => {
    await using bench = await open();
    const { client, server } = await bench.pair();
    const memory = new Uint8Array(100_010).fill(5);
    const message = new Outbound(memory.subarray(10), false, 10);
    message.movable = true;
    client.link.send(message);
    expect(await server.bytes()).toEqual(new Uint8Array(100_000).fill(5));
    expect(memory.length).toBe(0);
  });
});
