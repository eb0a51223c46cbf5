import type { Instant, Random, Timer, World } from '../core/index.ts';

/** The real clock and real chance. `report` hears of errors that nobody could catch; by default they are logged. */
export function realWorld(report: (error: unknown) => void = logError): World {
  return new RealWorld(report);
}

class RealWorld implements World {
  readonly random: Random = new CryptoRandom();
  readonly report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.report = report;
  }

  now(): Instant {
    return performance.now();
  }

  timer(at: Instant, run: () => void): Timer {
    return new RealTimer(at, run);
  }

  soon(run: () => void): void {
    setImmediate(run);
  }
}

/** A delay over 2^31 - 1 ms would fire at once, so that long ones are cut into several. */
const DELAY_MAX = 2 ** 31 - 1;

class RealTimer implements Timer {
  readonly #at: Instant;
  readonly #run: () => void;
  #handle: ReturnType<typeof setTimeout> | undefined;

  constructor(at: Instant, run: () => void) {
    this.#at = at;
    this.#run = run;
    this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(): void {
    const delay = Math.max(0, Math.ceil(this.#at - performance.now()));
    this.#handle = setTimeout(() => this.#fire(), Math.min(delay, DELAY_MAX));
  }

  /** Timers of the platform may come a little early by the monotonic clock; ours never do. */
  #fire(): void {
    if (performance.now() < this.#at) this.#arm();
    else this.#run();
  }
}

const POOL_BYTES = 1024;
/** 48 bits fit a number exactly. */
const UNIT_BYTES = 6;

/** The platform's generator; small draws are cut from a buffer, for each call to it costs more than the bytes. */
class CryptoRandom implements Random {
  #pool: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #at = 0;

  bytes(length: number): Uint8Array {
    if (length > POOL_BYTES / 4) return fill(new Uint8Array(length));
    const at = this.#draw(length);
    return this.#pool.slice(at, at + length);
  }

  unit(): number {
    const at = this.#draw(UNIT_BYTES);
    let value = 0;
    for (let i = 0; i < UNIT_BYTES; i++) value = value * 256 + (this.#pool[at + i] ?? 0);
    return value / 2 ** (8 * UNIT_BYTES);
  }

  /** Where in the pool `length` fresh bytes begin. */
  #draw(length: number): number {
    if (this.#at + length > this.#pool.length) {
      this.#pool = fill(new Uint8Array(POOL_BYTES));
      this.#at = 0;
    }
    const start = this.#at;
    this.#at += length;
    return start;
  }
}

const FILL_BYTES_MAX = 65_536;

/** The platform fills at most 64 KiB at a call. */
function fill(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  for (let at = 0; at < bytes.length; at += FILL_BYTES_MAX) {
    crypto.getRandomValues(bytes.subarray(at, at + FILL_BYTES_MAX));
  }
  return bytes;
}

function logError(error: unknown): void {
  console.error(error);
}
