import type { Instant } from '../../src/core/index.ts';
import type { Fault } from '../../src/udpack/faults.ts';
import { type FrameHandler, FrameReader, FrameWriter } from '../../src/udpack/frames.ts';
import { type Parameters, UDPACK_LIMITS, type UdpackLimits } from '../../src/udpack/options.ts';
import type { SentFrame } from '../../src/udpack/sent.ts';
import { type Role, type StreamEvent, Streams } from '../../src/udpack/streams/index.ts';

export function parametersOf(limits: UdpackLimits, unreliableBytes = 65_535): Parameters {
  return {
    id: undefined,
    resetToken: undefined,
    credit: limits.sessionWindow,
    streamCredit: limits.streamWindow,
    packetStreams: limits.streams,
    byteStreams: limits.streams,
    packetBytes: limits.packetBytes,
    datagramSize: 1452,
    idle: 0,
    ackDelay: 20,
    unreliableBytes,
    ids: 2,
  };
}

/** Numbers in [0, 1) from a seed. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The frames of a session that are not its streams' are ignored. */
export function handlerOf(streams: Streams): FrameHandler {
  const ignore = (): undefined => undefined;
  return {
    onPing: ignore,
    onAck: ignore,
    onAuth: ignore,
    onAccept: ignore,
    onClose: ignore,
    onGoaway: ignore,
    onNewId: ignore,
    onRetireId: ignore,
    onChallenge: ignore,
    onAnswer: ignore,
    onAckRate: ignore,
    onCredit: (most) => streams.onCredit(most),
    onStreamCredit: (stream, most) => streams.onStreamCredit(stream, most),
    onStreamsCredit: (kind, most) => streams.onStreamsCredit(kind, most),
    onReset: (stream, code, size) => streams.onReset(stream, code, size),
    onStop: (stream, code) => streams.onStop(stream, code),
    onSkip: (stream, from, to) => streams.onSkip(stream, from, to),
    onDatagram: (data) => streams.onDatagram(data),
    onStream: (stream, flags, offset, data) => streams.onStream(stream, flags, offset, data),
  };
}

/** The frames of a datagram, by their names in `FrameHandler`, with what they were told. */
export function framesOf(bytes: Uint8Array): [name: string, ...values: unknown[]][] {
  const frames: [string, ...unknown[]][] = [];
  const handler = new Proxy({} as FrameHandler, {
    get:
      (_, name) =>
      (...values: unknown[]): undefined => {
        frames.push([String(name), ...values.map((value) => (value instanceof Uint8Array ? value.length : value))]);
      },
  });
  new FrameReader().read(bytes, handler);
  return frames;
}

/** All that a machine has to send now, as frames; each is acknowledged at once if `acked`. */
export function framesSent(streams: Streams, now: Instant = 0, acked = false): ReturnType<typeof framesOf> {
  const frames: ReturnType<typeof framesOf> = [];
  for (let sent = nextDatagram(streams, now); sent !== undefined; sent = nextDatagram(streams, now)) {
    frames.push(...framesOf(sent.bytes));
    if (acked) for (const frame of sent.frames) frame.acked(now);
  }
  return frames;
}

export function eventsOf(streams: Streams): StreamEvent[] {
  const events: StreamEvent[] = [];
  for (let event = streams.poll(); event !== undefined; event = streams.poll()) events.push(event);
  return events;
}

/** One datagram of frames, and what is to be told of them. */
export interface Sent {
  readonly bytes: Uint8Array;
  readonly frames: readonly SentFrame[];
}

export function nextDatagram(streams: Streams, now: Instant = 0, size = 1200): Sent | undefined {
  return filled(streams, new FrameWriter(new Uint8Array(size), 0, size), now);
}

function filled(streams: Streams, writer: FrameWriter, now: Instant): Sent | undefined {
  const frames: SentFrame[] = [];
  return streams.fill(writer, frames, now) ? { bytes: writer.bytes.slice(0, writer.at), frames } : undefined;
}

/** Takes a machine's datagrams until it has no more. */
export function datagramsOf(streams: Streams, now: Instant = 0, size = 1200): Sent[] {
  const all: Sent[] = [];
  for (let sent = nextDatagram(streams, now, size); sent !== undefined; sent = nextDatagram(streams, now, size))
    all.push(sent);
  return all;
}

/** Has one machine read the datagrams of another; the first fault, if there is one. */
export function deliver(datagrams: readonly Sent[], to: Streams): Fault | undefined {
  let fault: Fault | undefined;
  for (const { bytes } of datagrams) fault ??= new FrameReader().read(bytes.slice(), handlerOf(to));
  return fault;
}

/** A machine whose peer has the same limits. */
export function machine(role: Role, limits: Partial<UdpackLimits> = {}): Streams {
  const all = { ...UDPACK_LIMITS, ...limits };
  const streams = new Streams({ role, limits: all, onWork: () => {} });
  streams.start(parametersOf(all));
  return streams;
}

/** A datagram with what a thin session repeats behind it. */
function repeating(streams: Streams, { bytes, frames }: Sent): Sent {
  // The last frame may reach to the end of its datagram, so the repeats go before it.
  const writer = new FrameWriter(new Uint8Array(1500), 0, 1500 - bytes.length);
  const again: SentFrame[] = [];
  streams.fillAgain(writer, again);
  return { bytes: Uint8Array.from([...writer.bytes.slice(0, writer.at), ...bytes]), frames: [...again, ...frames] };
}

/** What a channel does to datagrams; times in ms, the others from 0 to 1. */
export interface Channel {
  readonly delay: number;
  readonly jitter: number;
  readonly loss: number;
  readonly duplication: number;
  /** Acks that come after their frames were given up. */
  readonly late: number;
  /** Datagrams behind which a thin session repeats what is not acknowledged. */
  readonly repeats: number;
}

export const CLEAN: Channel = { delay: 10, jitter: 0, loss: 0, duplication: 0, late: 0, repeats: 0 };

/** How many datagrams may be on their way from one side. */
const FLIGHT_MOST = 40;

/** One side of a pair. */
export class Side {
  readonly streams: Streams;
  readonly #reader = new FrameReader();
  readonly #handler: FrameHandler;
  inFlight = 0;
  /** The first fault that a datagram was found to be. */
  fault: Fault | undefined;

  constructor(role: Role, limits: UdpackLimits, onWork: () => void) {
    this.streams = new Streams({ role, limits, onWork });
    this.#handler = handlerOf(this.streams);
  }

  receive(bytes: Uint8Array): void {
    this.fault ??= this.#reader.read(bytes, this.#handler);
  }
}

interface Due {
  readonly at: Instant;
  readonly run: () => void;
}

/** Two machines and the channel between them, in virtual time. The same seed gives the same run. */
export class StreamsPair {
  now: Instant = 0;
  datagrams = 0;
  readonly client: Side;
  readonly server: Side;
  readonly random: () => number;
  /** Called after each step, to take events. */
  onStep: () => void = () => {};
  channel: Channel;
  #due: Due[] = [];

  constructor(seed: number, channel: Channel, limits: { readonly [side in Role]?: UdpackLimits } = {}) {
    this.random = chance(seed);
    this.channel = channel;
    const client = limits.client ?? UDPACK_LIMITS;
    const server = limits.server ?? UDPACK_LIMITS;
    this.client = new Side('client', client, () => {});
    this.server = new Side('server', server, () => {});
    this.client.streams.start(parametersOf(server));
    this.server.streams.start(parametersOf(client));
    this.client.streams.rtt = 2 * channel.delay;
    this.server.streams.rtt = 2 * channel.delay;
  }

  at(at: Instant, run: () => void): void {
    let index = this.#due.length;
    while (index > 0 && (this.#due[index - 1]?.at ?? 0) > at) index--;
    this.#due.splice(index, 0, { at, run });
  }

  /** Runs until nothing is to be done, or `until`. */
  run(until: Instant = Number.POSITIVE_INFINITY): void {
    for (;;) {
      this.onStep();
      this.#pump();
      const next = Math.min(
        this.#due[0]?.at ?? Infinity,
        this.client.streams.deadline ?? Infinity,
        this.server.streams.deadline ?? Infinity,
      );
      if (next > until || next === Number.POSITIVE_INFINITY) return;
      this.now = Math.max(this.now, next);
      for (const side of [this.client, this.server]) side.streams.tick(this.now);
      if ((this.#due[0]?.at ?? Infinity) <= this.now) this.#due.shift()?.run();
    }
  }

  #pump(): void {
    for (const [from, to] of [
      [this.client, this.server],
      [this.server, this.client],
    ] as const) {
      while (from.inFlight < FLIGHT_MOST) {
        const size = 1100 + Math.floor(this.random() * 300);
        const sent = nextDatagram(from.streams, this.now, size);
        if (sent === undefined) break;
        this.#send(from, to, this.random() < this.channel.repeats ? repeating(from.streams, sent) : sent);
      }
    }
  }

  #send(from: Side, to: Side, sent: Sent): void {
    this.datagrams++;
    from.inFlight++;
    const { delay, jitter, loss, duplication, late } = this.channel;
    const lost = this.random() < loss;
    const ackLost = this.random() < loss / 2;
    if (!lost) this.at(this.now + delay + this.random() * jitter, () => to.receive(sent.bytes.slice()));
    if (!lost && this.random() < duplication)
      this.at(this.now + delay + 3 * this.random() * jitter, () => to.receive(sent.bytes.slice()));
    const heard = this.now + 2 * delay + jitter;
    if (!lost && !ackLost) this.at(heard, () => this.#tell(from, sent, 'acked'));
    else {
      this.at(heard + delay, () => this.#tell(from, sent, 'lost'));
      if (!lost && this.random() < late) this.at(heard + 2 * delay, () => this.#tellLate(sent));
    }
  }

  #tell(from: Side, sent: Sent, what: 'acked' | 'lost'): void {
    from.inFlight--;
    for (const frame of sent.frames) frame[what](this.now);
  }

  #tellLate(sent: Sent): void {
    for (const frame of sent.frames) frame.acked(this.now);
  }
}
