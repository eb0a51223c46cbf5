import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CloseReason, Outbound } from '../core/index.ts';
import { type VirtualWorld, virtualWorld } from '../testing/index.ts';
import {
  type Framing,
  LengthFraming,
  LineFraming,
  type Link,
  type LinkHandler,
  type Peer,
} from '../transport/index.ts';
import type { BytePort } from './byte-port.ts';
import { type ByteStreamLink, byteStreamLink } from './byte-stream-link.ts';
import { LinkGroup } from './link-group.ts';

const PEER: Peer = { address: '', port: 0, local: true, path: undefined, query: {}, headers: {} };

/** A port whose other side takes as many bytes as it is told to. */
class SlowPort implements BytePort {
  readonly log: string[] = [];
  /** What was taken, copied when it was: the memory may be used anew afterwards. */
  readonly taken: number[] = [];
  readonly #waiting: { bytes: Uint8Array; done: (() => void) | undefined }[] = [];
  #room: number;
  #drain = false;
  link: ByteStreamLink | undefined;
  writes = 0;

  constructor(room: number) {
    this.#room = room;
  }

  get writableLength(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(bytes: Uint8Array, done?: () => void): boolean {
    if (bytes.length > 0) this.writes++;
    this.#waiting.push({ bytes, done });
    const untold = this.writableLength < 16_384;
    if (!untold) this.#drain = true;
    this.#take();
    return untold;
  }

  /** The other side takes `bytes` more. */
  accept(bytes: number): void {
    this.#room += bytes;
    this.#take();
    if (this.#waiting.length > 0 || !this.#drain) return;
    this.#drain = false;
    this.link?.writable();
  }

  #take(): void {
    for (let head = this.#waiting[0]; head !== undefined && head.bytes.length <= this.#room; head = this.#waiting[0]) {
      this.#waiting.shift();
      this.#room -= head.bytes.length;
      for (const byte of head.bytes) this.taken.push(byte);
      head.done?.();
    }
  }

  pause(): void {
    this.log.push('pause');
  }
  resume(): void {
    this.log.push('resume');
  }
  end(): void {
    this.log.push('end');
  }
  destroy(): void {
    this.log.push('destroy');
  }
}

interface Setup {
  readonly world: VirtualWorld;
  readonly port: SlowPort;
  readonly link: ByteStreamLink;
  readonly heard: string[];
  readonly ends: CloseReason[];
  readonly group: LinkGroup;
  readonly framing: () => Framing;
  onMessage: () => void;
  onIdle: () => void;
}

function setUp(
  room = Number.POSITIVE_INFINITY,
  backlogMark = 1000,
  headed = false,
  allocate = (length: number): Uint8Array => Buffer.allocUnsafeSlow(length),
): Setup {
  const world = virtualWorld();
  const port = new SlowPort(room);
  const options = { world, messageBytes: 1 << 20, backlogMark, closeWait: 5000, transport: 'test', allocate };
  const group = new LinkGroup(options);
  const framing = (): Framing => (headed ? new HeadedFraming(1 << 20) : new LengthFraming(1 << 20));
  const link = byteStreamLink({ group, port, framing: framing(), protocol: 'hawser.v1', peer: PEER });
  port.link = link;
  const setup: Setup = {
    world,
    port,
    link,
    group,
    framing,
    heard: [],
    ends: [],
    onMessage: () => undefined,
    onIdle: () => undefined,
  };
  const handler: LinkHandler = {
    onMessage: (bytes) => {
      setup.heard.push(Buffer.from(bytes).toString('hex'));
      setup.onMessage();
    },
    onIdle: () => setup.onIdle(),
    onDrain: () => setup.heard.push('drain'),
    onPong: () => undefined,
    onClosed: (reason) => setup.ends.push(reason),
  };
  link.start(handler);
  return setup;
}

/** Long messages are written without a copy. */
class HeadedFraming extends LengthFraming {
  head({ bytes, text }: Outbound): Uint8Array {
    const frame = this.encode(new Outbound(bytes, text));
    return frame.subarray(0, frame.length - bytes.length);
  }
}

const message = (size: number, fill = 7): Outbound => new Outbound(new Uint8Array(size).fill(fill), false);
const wire = (...messages: Outbound[]): number[] => messages.flatMap((one) => [...new LengthFraming(1).encode(one)]);

test('all messages of a turn are one write, after the turn', () => {
  const { link, port, world } = setUp();
  const messages = [message(10, 1), message(20, 2), message(0), message(300, 3)];
  for (const one of messages) link.send(one);
  expect(port.writes).toBe(0);
  world.settle();
  expect(port.writes).toBe(1);
  expect(port.taken).toEqual(wire(...messages));
});

test('what is sent while a chunk is read is one write, right after it', () => {
  const setup = setUp();
  const { link, port } = setup;
  setup.onMessage = () => void link.send(message(3, 1));
  setup.onIdle = () => void link.send(message(3, 2));
  link.receive(Uint8Array.from(wire(message(1), message(1))));
  expect(port.writes).toBe(1);
  expect(port.taken).toEqual(wire(message(3, 1), message(3, 1), message(3, 2)));
});

test('a message larger than the port holds goes in pieces, and its progress shows', () => {
  const { link, port, world } = setUp(0);
  const sent = message(1 << 20);
  expect(link.send(sent)).toBe(false);
  world.advance(10);
  expect(link.stalledSince).toBe(0);
  expect(port.writableLength).toBeLessThanOrEqual(262_144);
  port.accept(262_144);
  expect(link.stalledSince).toBe(10);
  port.accept(1 << 20);
  expect([link.queued, link.stalledSince]).toEqual([0, undefined]);
  expect(port.taken.length).toBe(wire(sent).length);
});

test('a little that is stuck is noticed too, and its end', () => {
  const { link, port, world, heard } = setUp(0, 10);
  expect(link.send(message(12))).toBe(false);
  world.advance(5);
  expect([link.queued, link.stalledSince]).toEqual([13, 0]);
  port.accept(13);
  expect([link.queued, link.stalledSince, heard]).toEqual([0, undefined, ['drain']]);
});

test('memory that the port still holds is not written over', () => {
  const load = fc.array(fc.record({ size: fc.nat(20_000), accept: fc.nat(60_000), turn: fc.boolean() }), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(load, (steps) => {
      const { link, port, world } = setUp(0);
      const messages = steps.map(({ size }, i) => message(size, i + 1));
      steps.forEach(({ accept, turn }, i) => {
        link.send(messages[i] as Outbound);
        if (turn) world.settle();
        port.accept(accept);
      });
      world.settle();
      port.accept(Number.POSITIVE_INFINITY);
      expect(Buffer.from(port.taken).equals(Buffer.from(wire(...messages)))).toBe(true);
      expect(link.queued).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('links of one group share the gathering buffer, not their bytes', () => {
  const one = setUp(0);
  const port = new SlowPort(Number.POSITIVE_INFINITY);
  const framing = new LengthFraming(100);
  const other = byteStreamLink({ group: one.group, port, framing, protocol: 'hawser.v1', peer: PEER });
  const mine = [message(5, 1), message(5, 2)];
  const theirs = [message(5, 3), message(5, 4)];
  for (const sent of mine) one.link.send(sent);
  for (const sent of theirs) other.send(sent);
  one.world.settle();
  one.port.accept(100);
  expect([one.port.taken, port.taken]).toEqual([wire(...mine), wire(...theirs)]);
});

test('whatever links of one group send while one of them reads, each port gets its own bytes in order', () => {
  const answer = fc.record({ mine: fc.boolean(), size: fc.oneof(fc.nat(300), fc.nat(90_000)) });
  const chunk = fc.record({
    answers: fc.array(answer, { maxLength: 12 }),
    accept: fc.nat(300_000),
    turn: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 8 }), fc.boolean(), (chunks, headed) => {
      const setup = setUp(0, 1 << 30, headed);
      const { link, port, world, group, framing } = setup;
      const otherPort = new SlowPort(0);
      const parts = { group, port: otherPort, framing: framing(), protocol: 'hawser.v1', peer: PEER };
      const other = byteStreamLink(parts);
      otherPort.link = other;
      const sent: Outbound[][] = [[], []];
      for (const { answers, accept, turn } of chunks) {
        setup.onMessage = () => {
          answers.forEach(({ mine, size }, i) => {
            const one = message(size, i + size);
            (mine ? link : other).send(one);
            sent[mine ? 0 : 1]?.push(one);
          });
        };
        link.receive(Uint8Array.from(wire(message(1))));
        if (turn) world.settle();
        port.accept(accept);
        otherPort.accept(accept / 2);
      }
      world.settle();
      for (const one of [port, otherPort]) one.accept(Number.POSITIVE_INFINITY);
      const bytes = sent.map((all) => Buffer.concat(all.map((one) => new LengthFraming(1).encode(one))));
      expect([port, otherPort].map(({ taken }) => Buffer.from(taken)).every((all, i) => bytes[i]?.equals(all))).toBe(
        true,
      );
      expect([link.queued, other.queued]).toEqual([0, 0]);
    }),
    { numRuns: 50 },
  );
});

test('a broadcast is one write for each link, also to one whose port is behind', () => {
  const one = setUp();
  const ports = [one.port, new SlowPort(0), new SlowPort(Number.POSITIVE_INFINITY)];
  const links = ports.map((port, i) => {
    if (i === 0) return one.link;
    const framing = new LengthFraming(100);
    return byteStreamLink({ group: one.group, port, framing, protocol: 'hawser.v1', peer: PEER });
  });
  for (const fill of [1, 2]) {
    const messages = [message(5, fill), message(60, fill + 2)];
    for (const sent of messages) for (const link of links) link.send(sent);
    one.world.settle();
  }
  for (const port of ports) port.accept(1000);
  const all = wire(message(5, 1), message(60, 3), message(5, 2), message(60, 4));
  expect(ports.map(({ taken }) => taken)).toEqual([all, all, all]);
  expect(ports.map(({ writes }) => writes)).toEqual([2, 2, 2]);
});

test('ports that keep what they are given cost no gathering buffer for each write', () => {
  let made = 0;
  const allocate = (length: number): Uint8Array => {
    made++;
    return new Uint8Array(length);
  };
  const { link, port, world, group } = setUp(0, 1 << 20, false, allocate);
  const wanted: Outbound[] = [];
  for (let i = 0; i < 20; i++) {
    const one = message(5, i);
    wanted.push(one);
    link.send(one);
    world.settle();
    port.accept(wire(one).length);
  }
  expect(port.taken).toEqual(wire(...wanted));
  expect(port.writes).toBe(20);
  expect(made).toBe(2);
  expect(group.gather.isKept).toBe(true);
  port.accept(1000);
  for (let i = 0; i < 5; i++) {
    link.send(message(5, i));
    world.settle();
  }
  expect([made, group.gather.isKept]).toEqual([2, false]);
});

test('a handler that throws ends its link, after the call, and is reported', () => {
  const setup = setUp();
  const bug = new Error('bug');
  setup.onMessage = () => {
    throw bug;
  };
  setup.link.receive(Uint8Array.from(wire(message(1), message(2))));
  expect(setup.heard).toHaveLength(1);
  expect(setup.ends).toEqual([]);
  setup.world.settle();
  expect(setup.ends).toEqual([{ code: 1006, reason: 'a handler failed' }]);
  expect([setup.world.reported, setup.port.log.at(-1)]).toEqual([[bug], 'destroy']);
});

test('a close writes what is queued, the goodbye last, then ends and waits for the peer', () => {
  const { link, port, world, ends } = setUp();
  const reason = { code: 4321, reason: 'why' };
  link.send(message(3));
  void link.close(reason);
  world.settle();
  expect(port.taken).toEqual([...wire(message(3)), ...new LengthFraming(1).goodbye(reason)]);
  expect([port.log.at(-1), ends]).toEqual(['end', []]);
  link.ended();
  link.gone(undefined);
  world.settle();
  expect(ends).toEqual([reason]);
  expect([world.timers, world.nextTimer]).toEqual([0, undefined]);
});

test('a peer that never ends its side is cut after closeWait; its close still counts', () => {
  const { link, port, world, ends } = setUp();
  void link.close();
  world.advance(4999);
  expect(ends).toEqual([]);
  world.advance(101);
  expect([port.log.at(-1), ends]).toEqual(['destroy', [{ code: 1000, reason: '' }]]);
});

test('a peer that never takes what was sent is cut after closeWait, with 1006', () => {
  const { link, world, ends } = setUp(0);
  link.send(message(3));
  void link.close();
  world.advance(5100);
  expect(ends).toEqual([{ code: 1006, reason: expect.stringContaining('did not take') }]);
});

test('a goodbye of the peer lets what is queued go out before the end', () => {
  const { link, port, world, ends } = setUp();
  link.send(message(3));
  link.receive(new LengthFraming(1).goodbye({ code: 1001, reason: '' }));
  link.receive(Uint8Array.from(wire(message(9))));
  expect(port.taken).toEqual(wire(message(3)));
  expect(port.log.at(-1)).toBe('end');
  link.gone(undefined);
  world.settle();
  expect(ends).toEqual([{ code: 1001, reason: '' }]);
});

test('chunks that come while it is paused are kept, in order', () => {
  const { link, port, world, heard } = setUp();
  link.pause();
  link.receive(Uint8Array.of(4));
  link.receive(Uint8Array.of(1, 4));
  link.receive(Uint8Array.of(2));
  world.settle();
  expect([heard, port.log.at(-1)]).toEqual([[], 'pause']);
  link.resume();
  world.settle();
  expect([heard, port.log.at(-1)]).toEqual([['01', '02'], 'resume']);
});

test('a reason is cut to what a close frame carries', () => {
  const { link, world, ends } = setUp();
  link.abort(new Error('ü'.repeat(200)));
  world.settle();
  expect(ends).toEqual([{ code: 1006, reason: 'ü'.repeat(61) }]);
});

/** A link that speaks lines and may be half-open. */
function setUpLines(room: number): {
  world: VirtualWorld;
  port: SlowPort;
  link: ByteStreamLink & Link;
  heard: string[];
} {
  const world = virtualWorld();
  const port = new SlowPort(room);
  const options = { world, messageBytes: 100, backlogMark: 1000, closeWait: 5000, transport: 'test', halfOpen: true };
  const framing = new LineFraming(100);
  const link = byteStreamLink({ group: new LinkGroup(options), port, framing, protocol: 'lines', peer: PEER });
  const heard: string[] = [];
  port.link = link;
  link.start({
    onMessage: (bytes) => heard.push(Buffer.from(bytes).toString()),
    onIdle: () => undefined,
    onDrain: () => undefined,
    onPong: () => undefined,
    onEnd: () => heard.push('end'),
    onClosed: ({ code }) => heard.push(`closed ${code}`),
  });
  return { world, port, link, heard };
}

test('the end of a peer waits while the link is paused, and comes after what was held', () => {
  const { world, link, heard } = setUpLines(Infinity);
  link.pause();
  link.receive(Buffer.from('{"a":1}\n'));
  link.ended();
  world.settle();
  expect(heard).toEqual([]);
  link.resume();
  world.settle();
  expect(heard).toEqual(['{"a":1}', 'end']);
});

test('our end waits until the port has taken all', () => {
  const { world, port, link, heard } = setUpLines(0);
  link.send(new Outbound(Buffer.from('{}'), true));
  link.end?.();
  world.settle();
  expect(port.log).not.toContain('end');
  port.accept(3);
  expect([port.log.at(-1), link.stalledSince]).toEqual(['end', undefined]);
  link.ended();
  link.gone(undefined);
  world.settle();
  expect(heard).toEqual(['end', 'closed 1005']);
  expect([world.timers, world.nextTimer]).toEqual([0, undefined]);
});

test('a half-open link that is reset has broken', () => {
  const { world, link, heard } = setUpLines(0);
  link.send(new Outbound(Buffer.from('{}'), true));
  link.ended();
  link.gone(new Error('reset'));
  world.settle();
  expect(heard).toEqual(['end', 'closed 1006']);
});

test('a framing whose streams must not just end has no `end`', () => {
  expect(Object.hasOwn(Object.getPrototypeOf(setUp().link), 'end')).toBe(false);
});

test('a peer that asks for answers and takes none is not read past the mark, and read on at half of it', () => {
  const { link, port, world, heard } = setUp(0, 1000);
  const reply = new Uint8Array(400);
  const answer = (): void => {
    link.onReply(reply);
    world.settle();
  };
  answer();
  answer();
  expect(port.log.at(-1)).toBe('resume');
  answer();
  expect([link.queued, port.log.at(-1)]).toEqual([1200, 'pause']);
  link.receive(Uint8Array.from(wire(message(1))));
  link.resume();
  world.settle();
  expect([heard, port.log.at(-1)]).toEqual([[], 'pause']);
  port.accept(400);
  world.settle();
  expect(heard).toEqual([]);
  port.accept(800);
  world.settle();
  expect([link.queued, heard, port.log.at(-1)]).toEqual([0, ['07'], 'resume']);
});
