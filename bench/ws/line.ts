import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Framing } from './framing.ts';
import type { Target } from './orders.ts';
import { ACKNOWLEDGE_EACH, KIND, type Kind, type Speech } from './speech.ts';

const NOTHING = Buffer.alloc(0);
/** What all connections read into: what came is used up before the next one reads. */
const READ = Buffer.alloc(262_144);

/** One connection of the load generator: a raw socket, and counting. */
export class Line {
  /** How many answers one chunk brought. */
  onAnswers: (line: Line, count: number) => void = () => {};
  /** For whoever uses the line: which exchange comes next. */
  next = 0;
  readonly #speech: Speech;
  readonly #socket: Socket;
  readonly #framing: Framing;
  readonly #answerLength: number;
  /** Steps of the opening that are done. */
  #steps = 0;
  #opened: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  /** Bytes that don't make a whole header yet. */
  #held: Buffer = NOTHING;
  /** What is missing of the frame that is being read, and what it is. */
  #missing = 0;
  #kind: Kind = KIND.ignored;
  /** Answers since the connection began, and those that were acknowledged. */
  #answers = 0;
  #acknowledged = 0;
  #leaving = false;
  /** Waits for one frame that is to be compared. */
  #compare: ((frame: Buffer) => void) | undefined;

  constructor(speech: Speech, target: Target) {
    this.#speech = speech;
    this.#framing = speech.framing();
    const [first] = speech.exchanges;
    const answer = first?.hear ?? NOTHING;
    this.#answerLength = answer.length - this.#framing.measure(answer, 0, answer.length);
    const onread = {
      buffer: READ,
      callback: (count: number, bytes: Uint8Array) => {
        this.#receive(bytes as Buffer, count);
        return true;
      },
    };
    const place = 'port' in target ? { host: '127.0.0.1', port: target.port } : { path: target.path };
    this.#socket = connect({ ...place, onread, noDelay: true });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server ended a connection')));
  }

  /** Resolves when the peer has said its welcome. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = resolve;
      this.#failed = reject;
      if (this.#speech.steps.length === 0) this.#socket.once('connect', () => this.#nextStep());
      else this.#say();
    });
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Says something, and resolves with the whole frame of the next `answers` answers. */
  ask(bytes: Uint8Array, answers = 1): Promise<Buffer[]> {
    const frames: Buffer[] = [];
    return new Promise((resolve, reject) => {
      this.#failed = reject;
      this.#compare = (frame) => {
        if (frames.push(frame) < answers) return;
        this.#compare = undefined;
        resolve(frames);
      };
      this.send(bytes);
    });
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }

  /** Says goodbye, where the peer knows such a thing, and resolves when the server has ended the connection. */
  async leave(): Promise<void> {
    const { goodbye } = this.#speech;
    this.#failed = () => {};
    this.#leaving = true;
    if (goodbye === undefined) this.#socket.destroy();
    else this.send(goodbye);
    await once(this.#socket, 'close');
  }

  #fail(error: Error): void {
    if (this.#failed === undefined) throw error;
    this.#failed(error);
  }

  #say(): void {
    const step = this.#speech.steps[this.#steps];
    const said = step?.say() ?? NOTHING;
    if (said.length > 0) this.send(said);
  }

  #receive(bytes: Buffer, end: number): void {
    if (this.#leaving) return;
    try {
      if (this.#opened !== undefined) this.#openWith(Buffer.from(bytes.subarray(0, end)));
      else if (this.#compare !== undefined) this.#compareWith(Buffer.from(bytes.subarray(0, end)));
      else this.#count(bytes, end);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #openWith(chunk: Buffer): void {
    this.#held = Buffer.concat([this.#held, chunk]);
    while (this.#opened !== undefined) {
      const step = this.#speech.steps[this.#steps];
      const used = step?.hear(this.#held) ?? 0;
      if (used === 0) return;
      this.#held = this.#held.subarray(used);
      this.#steps += 1;
      this.#nextStep();
    }
  }

  #nextStep(): void {
    if (this.#steps < this.#speech.steps.length) {
      this.#say();
      return;
    }
    const opened = this.#opened;
    this.#opened = undefined;
    this.#failed = undefined;
    opened?.();
  }

  #compareWith(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#held, chunk]);
    for (;;) {
      const header = this.#framing.measure(bytes, 0, bytes.length);
      const length = header + this.#framing.length;
      if (header === 0 || bytes.length < length) break;
      const frame = bytes.subarray(0, length);
      bytes = bytes.subarray(length);
      this.#kind = this.#speech.kindOf(frame[0] ?? 0, frame[header] ?? 0);
      if (this.#kind === KIND.answer) this.#compare?.(frame);
      this.#acknowledge(this.#finish());
    }
    this.#held = bytes;
  }

  /** The hot path: headers are read, payloads are skipped. */
  #count(chunk: Buffer, chunkEnd: number): void {
    let bytes = chunk;
    let end = chunkEnd;
    let at = 0;
    let answers = 0;
    if (this.#held.length > 0) {
      bytes = Buffer.concat([this.#held, chunk.subarray(0, chunkEnd)]);
      end = bytes.length;
      this.#held = NOTHING;
    }
    for (;;) {
      if (this.#missing > end - at) {
        this.#missing -= end - at;
        break;
      }
      if (this.#missing > 0) {
        at += this.#missing;
        this.#missing = 0;
        answers += this.#finish();
      }
      if (at === end) break;
      const header = this.#framing.measure(bytes, at, end);
      // The first byte of the payload says what the frame is.
      if (header === 0 || (at + header >= end && this.#framing.length > 0)) {
        this.#held = Buffer.from(bytes.subarray(at, end));
        break;
      }
      this.#begin(bytes[at] ?? 0, bytes[at + header] ?? 0);
      at += header;
      if (this.#missing === 0) answers += this.#finish();
    }
    this.#acknowledge(answers);
    if (answers > 0) this.onAnswers(this, answers);
  }

  #begin(first: number, payload: number): void {
    this.#kind = this.#speech.kindOf(first, payload);
    this.#missing = this.#framing.length;
    if (this.#kind === KIND.answer && this.#missing !== this.#answerLength && this.#speech.answersVary !== true) {
      throw new Error(`an answer of ${this.#missing} bytes instead of ${this.#answerLength}`);
    }
  }

  /** A frame is whole. 1 for an answer. */
  #finish(): number {
    if (this.#kind === KIND.answer) return 1;
    if (this.#kind === KIND.ping) {
      const pong = this.#speech.pong ?? this.#speech.acknowledge?.(this.#answers);
      if (pong !== undefined) this.send(pong);
    }
    return 0;
  }

  #acknowledge(answers: number): void {
    this.#answers += answers;
    if (this.#speech.acknowledge === undefined || this.#answers - this.#acknowledged < ACKNOWLEDGE_EACH) return;
    this.#acknowledged = this.#answers;
    this.send(this.#speech.acknowledge(this.#answers));
  }
}
