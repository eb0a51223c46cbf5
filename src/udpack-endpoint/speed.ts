import { now } from '../runtime/index.ts';

/** How fast bytes of UDP payload went, in KB (1,000 bytes) a second, whole. */
export interface UdpackSpeed {
  readonly send: number;
  readonly recv: number;
}

const SECOND = 1000;

/** Tells the speed every second, from `start` to `stop`. */
export class SpeedMeter {
  readonly #tell: (speed: UdpackSpeed) => void;
  sent = 0;
  received = 0;
  #sentBefore = 0;
  #receivedBefore = 0;
  #since = 0;
  #handle: NodeJS.Timeout | undefined;

  constructor(tell: (speed: UdpackSpeed) => void) {
    this.#tell = tell;
  }

  start(): void {
    this.#since = now();
    // It only looks on: what keeps the process alive is the socket.
    this.#handle = setInterval(() => this.#measure(), SECOND).unref();
  }

  stop(): void {
    clearInterval(this.#handle);
  }

  #measure(): void {
    const at = now();
    const per = Math.max(1, at - this.#since);
    const speed = {
      send: Math.round((this.sent - this.#sentBefore) / per),
      recv: Math.round((this.received - this.#receivedBefore) / per),
    };
    this.#since = at;
    this.#sentBefore = this.sent;
    this.#receivedBefore = this.received;
    this.#tell(speed);
  }
}
