import type { Timer, World } from '../../../core/index.ts';
import { ACK_BYTES, BATCH_BYTES, FRAMES_TYPE, HEADER } from './protocol.ts';
import { isPassing, Retries } from './retries.ts';
import type { Wire, WireHeaders } from './wire.ts';

/** A POST that has no answer for this long is sent again, ms. */
const POST_WAIT = 20_000;
const NO_BYTES = new Uint8Array(0);

export interface UpUser {
  /** The last event that was heard. */
  readonly heard: number;
  /** All that was put has been taken. */
  taken(): void;
  /** The server knows nothing of the link, or could not be reached for too long. */
  lost(error: Error): void;
}

/** Bytes on their way up: one numbered POST after another, each sent until it is answered. */
export class UpStream {
  bytesWritten = 0;
  readonly #world: World;
  readonly #wire: Wire;
  readonly #headers: WireHeaders;
  readonly #user: UpUser;
  readonly #retries: Retries;
  readonly #stop: AbortController = new AbortController();
  /** Gives up the POST that is under way. */
  #once: AbortController | undefined;
  #waiting: Uint8Array[] = [];
  #length = 0;
  #batch = 0;
  #body: Uint8Array | undefined;
  /** The last event that the server was told of, and how many bytes came since. */
  #told = 0;
  #untold = 0;
  #timer: Timer | undefined;

  constructor(world: World, wire: Wire, headers: WireHeaders, patience: number, user: UpUser) {
    this.#world = world;
    this.#wire = wire;
    this.#headers = headers;
    this.#user = user;
    this.#retries = new Retries(world, patience);
  }

  /** Bytes that are not answered for. */
  get length(): number {
    return this.#length;
  }

  /** The memory must stay as it is until all is taken. */
  put(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#length += bytes.length;
    this.#next();
  }

  /** So many bytes came down: the server is told now and then, so that it need not keep them. */
  came(length: number): void {
    this.#untold += length;
    if (this.#untold >= ACK_BYTES && this.#body === undefined) this.acknowledge();
  }

  /** Tells the server what was heard. If that is lost, a later one tells it again. */
  acknowledge(): void {
    const { heard } = this.#user;
    if (heard === this.#told) return;
    this.#tell(heard);
    this.#wire
      .post({ ...this.#headers, [HEADER.ack]: String(heard) }, NO_BYTES, this.#stop.signal)
      .catch(() => undefined);
  }

  /** Sends no more. */
  stop(): void {
    this.#timer?.cancel();
    this.#retries.cancel();
    this.#stop.abort();
    this.#once?.abort();
    this.#waiting = [];
    this.#length = 0;
  }

  #next(): void {
    if (this.#body !== undefined || this.#waiting.length === 0) return;
    this.#body = this.#cut();
    this.#batch += 1;
    this.#send(this.#body);
  }

  /** Whole chunks, or the beginning of one that is too long. */
  #cut(): Uint8Array {
    const body = new Uint8Array(Math.min(this.#length, BATCH_BYTES));
    let at = 0;
    while (at < body.length) {
      const chunk = this.#waiting[0] as Uint8Array;
      const room = body.length - at;
      body.set(chunk.length > room ? chunk.subarray(0, room) : chunk, at);
      at += Math.min(chunk.length, room);
      if (chunk.length > room) this.#waiting[0] = chunk.subarray(room);
      else this.#waiting.shift();
    }
    return body;
  }

  #send(body: Uint8Array): void {
    const { heard } = this.#user;
    const once = new AbortController();
    this.#once = once;
    const headers = {
      ...this.#headers,
      'content-type': FRAMES_TYPE,
      [HEADER.batch]: String(this.#batch),
      [HEADER.ack]: String(heard),
    };
    this.#tell(heard);
    this.#timer = this.#world.timer(this.#world.now() + POST_WAIT, () => once.abort());
    this.#wire.post(headers, body, once.signal).then(
      ({ status }) => this.#answered(body, status),
      (error: unknown) => this.#failed(body, new Error('a POST got no answer', { cause: error })),
    );
  }

  #answered(body: Uint8Array, status: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer?.cancel();
    if (status >= 200 && status < 300) {
      this.#retries.succeeded();
      this.bytesWritten += body.length;
      this.#length -= body.length;
      this.#body = undefined;
      this.#next();
      if (this.#length === 0) this.#user.taken();
    } else if (isPassing(status)) {
      this.#failed(body, new Error(`a POST was answered with status ${status}`));
    } else {
      this.#user.lost(new Error(`the server refused a POST with status ${status}`));
    }
  }

  #failed(body: Uint8Array, error: Error): void {
    if (this.#stop.signal.aborted) return;
    this.#timer?.cancel();
    if (!this.#retries.again(() => this.#send(body))) this.#user.lost(error);
  }

  #tell(heard: number): void {
    this.#told = heard;
    this.#untold = 0;
  }
}
