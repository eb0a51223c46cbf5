import { describe, expect, test } from 'vitest';
import { Conversation, type Outlet } from '../../src/channel/index.ts';
import type { AnyDirection, Outbound, Overflow, Random } from '../../src/core/index.ts';
import { Session, type SessionHandler, type SessionPort } from '../../src/session/index.ts';
import { seededRandom, virtualWorld } from '../../src/testing/index.ts';
import { hawserCodec, type Incoming } from '../../src/wire/index.ts';
import { SETTINGS } from '../support/session-recorder.ts';

const SEEDS = 150;
const STEPS = 2000;
/** Messages in a pipe from which on it says that it is full. */
const MARK = 8;

/** One way of a link: what is in it, until the other end reads. */
class Pipe implements SessionPort {
  readonly messages: Outbound[] = [];
  #isFull = false;

  send(message: Outbound): boolean {
    this.messages.push(message);
    if (this.messages.length >= MARK) this.#isFull = true;
    return !this.#isFull;
  }

  get queued(): number {
    return this.messages.reduce((sum, message) => sum + message.length, 0);
  }

  close(): void {}

  /** Takes out the next message; `onDrain` when that made room. */
  read(onDrain: () => void): Outbound | undefined {
    const message = this.messages.shift();
    if (this.#isFull && this.messages.length <= MARK / 2) {
      this.#isFull = false;
      onDrain();
    }
    return message;
  }
}

/** Time stands at 0 here but for acknowledgements that are due; 400 bytes without one are the mark. */
const PATIENT = { heartbeat: 1e12, readWait: 1e12, resumeBytes: 400, backlogBytes: 100_000 };

class Side implements SessionHandler, Outlet {
  readonly codec = hawserCodec;
  readonly load = { handling: 0 };
  readonly world = virtualWorld();
  readonly limits = { pendingRequests: 10, nameLength: 64, backlogBytes: 200 };
  readonly times = { requestTimeout: 1000 };
  readonly trustsInfo = true;
  readonly session: Session;
  readonly talk = new Conversation<AnyDirection, AnyDirection>(0, this);
  pipe = new Pipe();

  constructor(role: 'server' | 'client') {
    this.session = new Session(this.codec, { ...SETTINGS, ...PATIENT, role }, this);
  }

  send(message: Outbound, tag: number, overflow?: Overflow): boolean {
    return this.session.send(message, tag, 0, overflow);
  }

  reply(): void {}
  report(error: unknown): void {
    throw error;
  }

  sendVolatile(message: Outbound): boolean {
    return this.session.sendVolatile(message);
  }

  mustWait(orDown: boolean): boolean {
    return this.session.mustWait(orDown);
  }

  refused(): void {}

  onMessage(message: Incoming): void {
    this.talk.dispatch(message);
  }

  onDrain(): void {
    this.talk.onDrain();
  }

  onRoom(): void {}
  onDown(): void {}
  onUp(): void {}
  onGoaway(): void {}
  onEnd(): void {}
  wakeAt(): void {}
}

/** A talkative side and one that listens, over links that stall and break. */
class Pair {
  readonly talker = new Side('client');
  readonly listener = new Side('server');
  readonly heard = new Map<string, number[]>();
  #isUp = false;
  #wasUp = false;

  constructor() {
    this.listener.talk.onAny((name, data) => {
      const { n, key } = data as { n: number; key: string };
      const line = `${name} ${key}`;
      this.heard.set(line, [...(this.heard.get(line) ?? []), n]);
    });
  }

  connect(): void {
    if (this.#isUp) return;
    const sides = [this.talker, this.listener];
    const counts = this.#wasUp ? sides.map((one) => one.session.counts()) : [];
    for (const [at, side] of sides.entries()) {
      side.pipe = new Pipe();
      const isAttached = side.session.attach(side.pipe, hawserCodec, 0, counts[1 - at]);
      if (!isAttached) throw new Error('the link was refused');
    }
    this.#isUp = true;
    this.#wasUp = true;
  }

  cut(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    for (const side of [this.talker, this.listener]) side.session.detach(side.pipe, { code: 1006, reason: 'cut' }, 0);
  }

  /** Each side reads one message. */
  step(): void {
    if (!this.#isUp) return;
    for (const [from, to] of [
      [this.talker, this.listener],
      [this.listener, this.talker],
    ] as const) {
      const message = from.pipe.read(() => from.session.drained(from.pipe));
      if (message) to.session.receive(to.pipe, message.bytes, message.text, 0);
      to.session.idle();
    }
  }
}

const POLICIES = ['latest', 'drop', 'volatile', 'plain'] as const;

function run(random: Random): { pair: Pair; sent: Map<string, number[]> } {
  const pair = new Pair();
  const sent = new Map<string, number[]>();
  const pick = (most: number): number => Math.floor(random.unit() * most);
  pair.connect();
  for (let n = 0; n < STEPS; n++) {
    const policy = POLICIES[pick(4)] ?? 'plain';
    const key = `k${pick(3)}`;
    const options =
      policy === 'volatile' ? { volatile: true } : policy === 'plain' ? {} : { overflow: policy as Overflow, key };
    const keptBack = policy === 'plain' && pair.talker.mustWait(true);
    if (!keptBack) {
      const line = `${policy} ${key}`;
      sent.set(line, [...(sent.get(line) ?? []), n]);
      pair.talker.talk.send(policy, { n, key }, options);
    }
    for (let reads = pick(4); reads > 0; reads--) pair.step();
    if (pick(60) === 0) for (let reads = 0; reads < 100; reads++) pair.step();
    // The acknowledgement that is overdue.
    if (pick(20) === 0) pair.listener.session.tick(1000);
    if (pick(80) === 0) pair.cut();
    else if (pick(10) === 0) pair.connect();
  }
  pair.connect();
  for (let i = 0; i < 2000; i++) {
    pair.step();
    if (i % 50 === 0) pair.listener.session.tick(1000);
  }
  return { pair, sent };
}

describe('policies over links that stall and break', () => {
  test.each(Array.from({ length: SEEDS }, (_, seed) => seed))('seed %i', (seed) => {
    const { pair, sent } = run(seededRandom(seed));
    let heard = 0;
    let all = 0;
    for (const [line, numbers] of sent) {
      const came = pair.heard.get(line) ?? [];
      heard += came.length;
      all += numbers.length;
      expect(came).toEqual(came.toSorted((a, b) => a - b));
      expect(new Set(came).size).toBe(came.length);
      if (line.startsWith('plain')) expect(came).toEqual(numbers);
      if (line.startsWith('latest')) expect(came.at(-1)).toBe(numbers.at(-1));
    }
    const volatile = [...sent].filter(([line]) => line.startsWith('volatile')).flatMap(([, numbers]) => numbers).length;
    expect(pair.talker.talk.dropped).toBeGreaterThan(0);
    expect(all - heard).toBeGreaterThanOrEqual(pair.talker.talk.dropped);
    // Beyond what was counted only volatile messages that were under way may be missing.
    expect(all - heard - pair.talker.talk.dropped).toBeLessThanOrEqual(volatile);
  });
});
