import type { CloseReason } from '../core/index.ts';
import { Outbound } from '../core/index.ts';
import type { ListenOptions, Refusal } from '../transport/index.ts';
import {
  Bench,
  CASE_WAIT,
  codeOf,
  End,
  type LinkSuiteOptions,
  numbered,
  numberOf,
  pattern,
  same,
  text,
} from './link-bench.ts';

export type { Expectation, LinkSuiteOptions, TestApi } from './link-bench.ts';

/**
 * What every transport must do, whatever it is made of.
 *
 * @example linkSuite('tcp', { api: { describe, test, expect }, transport: tcpTransport(), world: realWorld(), … })
 */
export function linkSuite(name: string, options: LinkSuiteOptions): void {
  const { describe } = options.api;
  describe(`links over ${name}`, () => {
    opening(options);
    notOpening(options);
    exchanging(options);
    exchangingMany(options);
    holdingBack(options);
    closing(options);
    if (options.halfCloses === true) halfClosing(options);
    breaking(options);
    failing(options);
  });
}

const why: CloseReason = { code: 4321, reason: 'enough – genug' };
/** Bytes of a message where much is sent. */
const piece = 65_536;

type Case = (bench: Bench) => Promise<void>;

function testIn(options: LinkSuiteOptions): (name: string, run: Case, change?: Partial<ListenOptions>) => void {
  return (name, run, change) => {
    options.api.test(
      name,
      async () => {
        await using bench = await Bench.open(options, change);
        await run(bench);
      },
      CASE_WAIT,
    );
  };
}

function opening(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('both ends are up, and know what they speak', async (bench) => {
    const { client, server } = await bench.pair();
    expect(client.link.protocol).toBe(bench.protocols[0]);
    expect(server.link.protocol).toBe(bench.protocols[0]);
    expect(client.link.transport).toBe(bench.endpoint.scheme);
    expect([client.link.queued, client.link.stalledSince]).toEqual([0, undefined]);
  });

  test('the last protocol is spoken when nothing else is offered', async (bench) => {
    const last = bench.protocols.at(-1) as string;
    const client = await bench.dial({ protocols: [last] });
    client.link.send(text('{"event":"a"}'));
    const server = new End(await bench.accepted());
    server.link.send(text('{"event":"b"}'));
    expect([await server.message(), await client.message()]).toEqual(['{"event":"a"}', '{"event":"b"}']);
    expect([client.link.protocol, server.link.protocol]).toEqual([last, last]);
  });

  test('what was sent before start is heard after it', async (bench) => {
    const client = await bench.dial();
    const link = await bench.accepted();
    for (let i = 0; i < 50; i++) client.link.send(numbered(i, 100));
    client.link.send(numbered(50, 100_000));
    await bench.until(() => client.link.queued === 0 || link.queued === 0);
    await bench.turns(20);
    const server = new End(link);
    for (let i = 0; i <= 50; i++) expect(numberOf(await server.bytes())).toBe(i);
  });

  test('a signal that aborts later means nothing to the link', async (bench) => {
    const controller = new AbortController();
    const { client, server } = await bench.pair({ signal: controller.signal });
    controller.abort();
    client.link.send(numbered(1, 10));
    expect(numberOf(await server.bytes())).toBe(1);
  });
}

function notOpening(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('nobody listens: ERR_CONNECT_FAILED', async (bench) => {
    expect(await codeOf(bench.dialTo(options.deadUrl()))).toBe('ERR_CONNECT_FAILED');
  });

  test('an aborted signal: ERR_ABORTED, before and while dialling', async (bench) => {
    expect(await codeOf(bench.dialTo(bench.url, { signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');
    const controller = new AbortController();
    const dialled = codeOf(bench.dialTo(bench.url, { signal: controller.signal }));
    controller.abort();
    expect(await dialled).toBe('ERR_ABORTED');
  });

  const refusal: Refusal = { reason: { code: 4004, reason: 'too many' }, status: 429 };
  test(
    'a peer that is not admitted is told so, and has no link',
    async (bench) => {
      expect(await codeOf(bench.dialTo(bench.url))).toBe(options.refusedCode ?? 'ERR_HANDSHAKE_REFUSED');
      expect(bench.links.length).toBe(0);
    },
    { admit: () => refusal },
  );

  test('an endpoint that is taken: ERR_ADDRESS_IN_USE', async (bench) => {
    expect(await codeOf(bench.listenOn(bench.url))).toBe('ERR_ADDRESS_IN_USE');
  });

  test('a closed listener accepts nobody, its links live on, and its endpoint is free', async (bench) => {
    const { client, server } = await bench.pair();
    await bench.listener.close();
    await bench.listener.close();
    expect(await codeOf(bench.dialTo(bench.url))).toBe('ERR_CONNECT_FAILED');
    client.link.send(numbered(3, 10));
    expect(numberOf(await server.bytes())).toBe(3);
    const again = await bench.listenOn(bench.url);
    await again[Symbol.asyncDispose]();
  });
}

function exchanging(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);
  const largest = options.largest ?? 16 << 20;
  const sizes = [0, 1, 15, 16, 125, 126, 127, 4095, 4096, 65_535, 65_536, 1 << 20, largest].filter((n) => n <= largest);

  for (const size of sizes) {
    test(`a message of ${size} bytes, each way`, async (bench) => {
      const { client, server } = await bench.pair();
      const message = pattern(size);
      client.link.send(new Outbound(message, false));
      expect(same(await server.bytes(), message)).toBe(true);
      server.link.send(new Outbound(message, false));
      expect(same(await client.bytes(), message)).toBe(true);
    });
  }

  test('text stays text and binary stays binary', async (bench) => {
    const { client, server } = await bench.pair();
    client.link.send(text('grüße 🚢'));
    client.link.send(new Outbound(Uint8Array.of(0xff, 0), false));
    expect(await server.message()).toBe('grüße 🚢');
    expect(await server.message()).toEqual([0xff, 0]);
  });
}

function exchangingMany(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('one message to many links is one and the same', async (bench) => {
    const pairs = [await bench.pair(), await bench.pair(), await bench.pair()];
    const message = numbered(7, 300);
    for (const { server } of pairs) server.link.send(message);
    for (const { client } of pairs) expect(numberOf(await client.bytes())).toBe(7);
    for (const { client } of pairs) client.link.send(message);
    for (const { server } of pairs) expect(numberOf(await server.bytes())).toBe(7);
  });

  test('messages of all sizes arrive in order, both ways at once', async (bench) => {
    const { client, server } = await bench.pair();
    const count = 400;
    for (let i = 0; i < count; i++) {
      const size = [20, 40_000, 4, 500][i % 4] as number;
      client.link.send(numbered(i, size));
      server.link.send(numbered(i, size));
      if (i % 37 === 0) await bench.turns(1);
    }
    for (let i = 0; i < count; i++) {
      expect(numberOf(await server.bytes())).toBe(i);
      expect(numberOf(await client.bytes())).toBe(i);
    }
  });

  test('what is sent while a message is handled goes out when the chunk is used up', async (bench) => {
    const { client, server } = await bench.pair();
    server.react = (bytes, isText) => server.link.send(new Outbound(new Uint8Array(bytes), isText));
    for (let i = 0; i < 1000; i++) client.link.send(numbered(i, 64));
    for (let i = 0; i < 1000; i++) expect(numberOf(await client.bytes())).toBe(i);
    expect(server.idles).toBeGreaterThan(0);
  });

  test(
    'a message over the limit is refused, and the sender is told',
    async (bench) => {
      const { client, server } = await bench.pair();
      client.link.send(new Outbound(pattern(1000), false));
      expect((await server.bytes()).length).toBe(1000);
      client.link.send(new Outbound(pattern(1001), false));
      client.link.send(numbered(1, 10));
      const codes = [(await server.end).code, (await client.end).code];
      expect(codes.every((code) => code === 4503 || code === 1009)).toBe(true);
      expect(server.waiting).toBe(0);
    },
    { messageBytes: 1000 },
  );
}

function holdingBack(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a reader that stops makes send return false; when it reads on, onDrain follows and nothing is lost', async (bench) => {
    const { client, server } = await bench.pair();
    server.link.pause();
    let sent = 0;
    const most = (options.pipeBytes ?? 16 << 20) / piece;
    // What lies between may take its time to fill.
    do {
      for (; sent < most && client.link.send(numbered(sent++, piece)); ) await bench.turns(1);
      await bench.turns(20);
    } while (client.link.queued < bench.backlogMark && sent < most);
    const { drains } = client;
    expect(client.link.queued).toBeLessThanOrEqual(bench.backlogMark + piece + 100);
    expect(client.link.queued).toBeGreaterThan(bench.backlogMark - 1);
    expect(typeof client.link.stalledSince).toBe('number');
    server.link.resume();
    await bench.until(() => client.drains === drains + 1);
    expect(client.link.queued).toBeLessThanOrEqual(bench.backlogMark / 2);
    for (let i = 0; i < sent; i++) expect(numberOf(await server.bytes())).toBe(i);
    await bench.until(() => client.link.queued === 0);
    expect(client.link.stalledSince).toBe(undefined);
  });

  test('pause holds messages back, resume lets them through', async (bench) => {
    const { client, server } = await bench.pair();
    client.link.send(numbered(0, 10));
    await server.bytes();
    server.link.pause();
    await bench.turns(2);
    for (let i = 1; i <= 20; i++) client.link.send(numbered(i, 10));
    await bench.turns(20);
    expect(server.waiting).toBe(0);
    server.link.resume();
    for (let i = 1; i <= 20; i++) expect(numberOf(await server.bytes())).toBe(i);
  });
}

function closing(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  for (const side of ['client', 'server'] as const) {
    test(`the ${side} closes: what it sent arrives, then the code and the reason`, async (bench) => {
      const pair = await bench.pair();
      const one = pair[side];
      const other = pair[side === 'client' ? 'server' : 'client'];
      for (let i = 0; i < 100; i++) one.link.send(numbered(i, 5000));
      const closed = one.link.close(why);
      expect(one.link.send(numbered(0, 10))).toBe(false);
      for (let i = 0; i < 100; i++) expect(numberOf(await other.bytes())).toBe(i);
      expect(await other.end).toEqual(why);
      await closed;
      expect(await one.end).toEqual(why);
      expect([await one.link.closed, await other.link.closed]).toEqual([why, why]);
      expect([one.link.queued, one.link.stalledSince, one.ends, other.ends]).toEqual([0, undefined, 1, 1]);
    });
  }

  test('closing without a reason is 1000', async (bench) => {
    const { client, server } = await bench.pair();
    await client.link.close();
    expect([(await client.end).code, (await server.end).code]).toEqual([1000, 1000]);
  });

  test('both close at once', async (bench) => {
    const { client, server } = await bench.pair();
    await Promise.all([client.link.close(why), server.link.close(why)]);
    expect([await client.end, await server.end]).toEqual([why, why]);
  });

  test('disposing twice is quiet, and waits for the end', async (bench) => {
    const { client } = await bench.pair();
    await Promise.all([client.link[Symbol.asyncDispose](), client.link[Symbol.asyncDispose]()]);
    expect(client.ends).toBe(1);
    await client.link[Symbol.asyncDispose]();
    client.link.pause();
    client.link.resume();
    expect((await client.link.closed).code).toBe(1000);
  });
}

function halfClosing(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);
  const halfOpen = { halfOpen: true };

  for (const side of ['client', 'server'] as const) {
    test(
      `the ${side} ends its direction: what it sent arrives, the other goes on until it ends too`,
      async (bench) => {
        const pair = await textPair(bench);
        const one = pair[side];
        const other = pair[side === 'client' ? 'server' : 'client'];
        for (let i = 0; i < 100; i++) one.link.send(text(`{"${i}":"${'x'.repeat(5000)}"}`));
        one.link.end?.();
        one.link.end?.();
        expect(one.link.send(text('{"late":1}'))).toBe(false);
        for (let i = 0; i < 100; i++) expect(String(await other.message()).startsWith(`{"${i}"`)).toBe(true);
        await bench.until(() => other.lasts === 1);
        await bench.turns(5);
        for (let i = 0; i < 100; i++) other.link.send(text(`{"${i}":"${'y'.repeat(5000)}"}`));
        for (let i = 0; i < 100; i++) expect(String(await one.message()).startsWith(`{"${i}"`)).toBe(true);
        expect([one.ends, other.ends, other.waiting, one.lasts]).toEqual([0, 0, 0, 0]);
        other.link.end?.();
        expect([(await one.end).code, (await other.end).code]).toEqual([1005, 1005]);
        expect([one.ends, other.ends, one.lasts, other.lasts]).toEqual([1, 1, 1, 1]);
      },
      halfOpen,
    );
  }

  test('a link that is not half-open takes the end as a goodbye, once what it has queued is sent', async (bench) => {
    const { client, server } = await textPair(bench);
    for (let i = 0; i < 50; i++) server.link.send(text(`{"${i}":"${'y'.repeat(5000)}"}`));
    client.link.end?.();
    for (let i = 0; i < 50; i++) expect(String(await client.message()).startsWith(`{"${i}"`)).toBe(true);
    expect([(await client.end).code, (await server.end).code]).toEqual([1005, 1005]);
    expect(server.lasts).toBe(0);
  });

  test(
    'what came before an end is heard before it, however long the reader paused',
    async (bench) => {
      const { client, server } = await textPair(bench);
      server.link.pause();
      await bench.turns(2);
      client.link.send(text('{"last":1}'));
      client.link.end?.();
      await bench.turns(20);
      expect([server.waiting, server.lasts, server.ends]).toEqual([0, 0, 0]);
      server.link.resume();
      expect(await server.message()).toBe('{"last":1}');
      await bench.until(() => server.lasts === 1);
      await server.link.close(why);
      expect((await server.end).code).toBe(why.code);
      await client.end;
    },
    halfOpen,
  );
}

/** A pair that speaks the last protocol; on a byte stream the first message chooses it. */
async function textPair(bench: Bench): Promise<{ readonly client: End; readonly server: End }> {
  const client = await bench.dial({ protocols: [bench.protocols.at(-1) as string], halfOpen: true });
  client.link.send(text('{}'));
  const server = new End(await bench.accepted());
  await server.message();
  return { client, server };
}

function breaking(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  for (const side of ['client', 'server'] as const) {
    test(`the ${side} aborts: both hear that it broke`, async (bench) => {
      const pair = await bench.pair();
      const one = pair[side];
      const other = pair[side === 'client' ? 'server' : 'client'];
      one.link.abort(new Error('broken'));
      one.link.abort(new Error('twice'));
      expect(one.link.send(numbered(0, 10))).toBe(false);
      expect(await one.end).toEqual({ code: 1006, reason: 'broken' });
      expect((await other.end).code).toBe(side === 'client' ? (options.abortCode ?? 1006) : 1006);
      expect([one.ends, other.ends]).toEqual([1, 1]);
    });
  }

  test('a link that ended before start tells so after it', async (bench) => {
    const client = await bench.dial();
    const link = await bench.accepted();
    client.link.abort(new Error('gone'));
    await client.end;
    link.abort(new Error('here too'));
    expect((await link.closed).code).toBe(1006);
    expect((await new End(link).end).code).toBe(1006);
  });

  test('a peer that never reads does not keep a close for ever', async (bench) => {
    const { client, server } = await bench.pair();
    server.link.pause();
    const most = (options.pipeBytes ?? 16 << 20) / piece;
    for (let i = 0; i < most && client.link.send(numbered(i, piece)); i++) await bench.turns(2);
    await client.link.close();
    expect((await client.end).code).toBe(1006);
    server.link.resume();
    await server.end;
  });

  const { cut } = options;
  if (cut !== undefined) {
    test('a peer that vanishes: 1006', async (bench) => {
      const { client, server } = await bench.pair();
      client.link.send(numbered(0, 10));
      await server.bytes();
      cut(server.link);
      expect((await client.end).code).toBe(1006);
      expect((await server.end).code).toBe(1006);
    });
  }
}

function failing(options: LinkSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('closed by a handler, nothing more is heard', async (bench) => {
    const { client, server } = await bench.pair();
    server.react = () => void server.link.close(why);
    for (let i = 0; i < 10; i++) client.link.send(numbered(i, 10));
    expect(await client.end).toEqual(why);
    await server.end;
    expect(server.heard).toBe(1);
  });

  test('a handler that fails ends its link and no other', async (bench) => {
    const { client, server } = await bench.pair();
    const other = await bench.pair();
    const bug = new Error('bug');
    server.react = () => {
      throw bug;
    };
    client.link.send(numbered(0, 10));
    expect((await server.end).code).toBe(1006);
    await client.end;
    expect(bench.reported).toEqual([bug]);
    other.client.link.send(numbered(1, 10));
    expect(numberOf(await other.server.bytes())).toBe(1);
  });
}
