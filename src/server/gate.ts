import type { HawserError } from '../core/index.ts';
import { type FailureData, type Hello, Incoming, MESSAGE, type RequestId } from '../wire/index.ts';
import { isThenable } from './middleware.ts';
import type { ServerSocket } from './socket.ts';

/** An event or request of a peer, on its way to the handlers. */
export interface EventMessage {
  readonly kind: 'event' | 'request';
  readonly name: string;
  /** What the handlers get; may be replaced. */
  data: unknown;
}

/**
 * Looks at each event and request of a socket before the handlers do. Returning passes it on; throwing refuses it: the peer is told the code
 * of a HawserError, or ERR_HANDLER_FAILED, and then what was thrown is reported. While a promise is awaited all that follows waits.
 */
export type EventMiddleware = (message: EventMessage, socket: ServerSocket) => unknown;

/** What a gate stands before. */
export interface GateOwner {
  readonly socket: ServerSocket<never>;
  dispatch(message: Incoming): void;
  /** The peer names itself anew. True when that takes a while; `released` follows. */
  rename(hello: Hello): boolean;
  /** Without an id it is about the socket. */
  fail(id: RequestId | undefined, code: string, failure: FailureData): void;
  report(error: unknown, during: string): void;
  /** Stops and goes on reading. */
  pause(): void;
  resume(): void;
}

/** What may wait behind a message that is looked at, before reading stops; a chunk that was read comes on top. */
const HELD_MESSAGES = 64;
const HELD_BYTES = 64 * 1024;
const NONE: readonly EventMiddleware[] = [];

interface Held {
  readonly message: Incoming;
  readonly size: number;
}

/** Runs the middleware of one socket's events and requests, and keeps their order. */
export class Gate {
  readonly #owner: GateOwner;
  #own: readonly EventMiddleware[] = NONE;
  /** Those of the namespace, and then the socket's own, put together. */
  #steps: readonly EventMiddleware[] = NONE;
  #shared: readonly EventMiddleware[] = NONE;
  /** A middleware has promised to say more. */
  #looking = false;
  /** The peer's new name is being looked at. */
  #renaming = false;
  /** `rename` is at work in this very call. */
  #asking = false;
  #held: (Held | undefined)[] = [];
  /** How many of them have gone. */
  #gone = 0;
  #heldBytes = 0;
  #paused = false;

  constructor(owner: GateOwner) {
    this.#owner = owner;
  }

  /** Whether a message is being looked at. */
  get working(): boolean {
    return this.#looking || this.#renaming;
  }

  /** Whether reading was stopped. */
  get paused(): boolean {
    return this.#paused;
  }

  use(middleware: EventMiddleware): void {
    this.#own = [...this.#own, middleware];
    this.#steps = [...this.#shared, ...this.#own];
  }

  /** Takes in one event, request or hello; `shared` is the middleware of the namespace at this time. */
  receive(message: Incoming, size: number, shared: readonly EventMiddleware[]): void {
    if (shared !== this.#shared) {
      this.#shared = shared;
      this.#steps = [...shared, ...this.#own];
    }
    if (this.working) this.#hold(message, size);
    else this.#run(message);
  }

  /** The peer has its new name: what waited goes on. */
  released(): void {
    if (this.#asking || !this.#renaming) return;
    this.#renaming = false;
    this.#next();
  }

  /** Forgets what waits: the server has ended the socket. */
  drop(): void {
    this.#held = [];
    this.#gone = 0;
    this.#heldBytes = 0;
  }

  #run(message: Incoming): void {
    if (message.kind === MESSAGE.hello) {
      this.#asking = true;
      this.#renaming = this.#owner.rename(message.data as Hello);
      this.#asking = false;
      return;
    }
    const seen: EventMessage = {
      kind: message.kind === MESSAGE.request ? 'request' : 'event',
      name: message.name,
      data: message.data,
    };
    const steps = this.#steps;
    for (let at = 0; at < steps.length; at++) {
      let result: unknown;
      try {
        result = steps[at]?.(seen, this.#owner.socket);
      } catch (error) {
        this.#refuse(message, error);
        return;
      }
      if (isThenable(result)) {
        void this.#runLater(message, seen, result, steps.slice(at + 1));
        return;
      }
    }
    this.#pass(message, seen);
  }

  async #runLater(
    message: Incoming,
    seen: EventMessage,
    first: PromiseLike<unknown>,
    rest: readonly EventMiddleware[],
  ): Promise<void> {
    this.#looking = true;
    let failed: { readonly error: unknown } | undefined;
    try {
      await first;
      for (const step of rest) await step(seen, this.#owner.socket);
    } catch (error) {
      failed = { error };
    }
    if (failed === undefined) this.#pass(message, seen);
    else this.#refuse(message, failed.error);
    this.#looking = false;
    this.#next();
  }

  #pass(message: Incoming, { data }: EventMessage): void {
    const { kind, channel, id, name, meta } = message;
    const same = data === message.data;
    this.#owner.dispatch(same ? message : new Incoming(kind, channel, id, name, data, meta));
  }

  #refuse({ kind, id, name }: Incoming, error: unknown): void {
    const asked = kind === MESSAGE.request ? id : undefined;
    if (error instanceof Error && error.name === 'HawserError') {
      try {
        this.#owner.fail(asked, (error as HawserError).code, error);
        return;
      } catch {
        // Its data is no message.
      }
    }
    this.#owner.report(error, `middleware of '${name}'`);
    this.#owner.fail(asked, 'ERR_HANDLER_FAILED', { message: `'${name}' failed` });
  }

  #hold(message: Incoming, size: number): void {
    this.#held.push({ message, size });
    this.#heldBytes += size;
    if (this.#paused || (this.#held.length - this.#gone < HELD_MESSAGES && this.#heldBytes < HELD_BYTES)) return;
    this.#paused = true;
    this.#owner.pause();
  }

  #next(): void {
    while (!this.working && this.#gone < this.#held.length) {
      const { message, size } = this.#held[this.#gone] as Held;
      this.#held[this.#gone] = undefined;
      this.#gone += 1;
      this.#heldBytes -= size;
      this.#run(message);
    }
    if (this.#gone === this.#held.length || this.#gone >= HELD_MESSAGES) {
      this.#held.splice(0, this.#gone);
      this.#gone = 0;
    }
    if (!this.#paused || this.#held.length > 0) return;
    this.#paused = false;
    this.#owner.resume();
  }
}

/** Whether a gate has to look at it. Answers are no business of its: a middleware may itself wait for one. */
export function isGuarded({ kind }: Incoming): boolean {
  return kind === MESSAGE.event || kind === MESSAGE.volatile || kind === MESSAGE.request;
}
