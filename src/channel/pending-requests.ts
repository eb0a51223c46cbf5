import {
  aborted,
  HawserError,
  type HawserErrorOptions,
  late,
  ON_PAGE,
  type Timer,
  type WaitOptions,
  type World,
} from '../core/index.ts';

interface Pending {
  readonly name: string;
  resolve(answer: unknown): void;
  reject(error: HawserError): void;
  /** Forgets the timer and the abort listener. */
  settle(): void;
}

/** The requests of one conversation that wait for an answer. */
export class PendingRequests {
  readonly #world: World;
  readonly #most: number;
  readonly #byId: Map<number, Pending> = new Map();
  #lastId = 0;

  constructor(world: World, most: number) {
    this.#world = world;
    this.#most = most;
  }

  get size(): number {
    return this.#byId.size;
  }

  /**
   * Sends a request by `send` and waits for its answer.
   * @throws HawserError ERR_TOO_MANY_REQUESTS, ERR_ABORTED, ERR_TIMEOUT, or what the peer or the end of the session says.
   */
  open(
    name: string,
    options: Required<Pick<WaitOptions, 'timeout'>> & WaitOptions,
    send: (id: number) => void,
  ): Promise<unknown> {
    const { signal, timeout } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal, 'no');
      if (this.size >= this.#most)
        throw new HawserError('ERR_TOO_MANY_REQUESTS', ON_PAGE ? undefined : `${this.#most} requests already wait`, {
          delivered: 'no',
        });
      this.#lastId += 1;
      const id = this.#lastId;
      let timer: Timer | undefined;
      const onAbort = (): void => this.fail(id, aborted(signal, 'unknown'));
      const settle = (): void => {
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      this.#byId.set(id, { name, resolve, reject, settle });
      try {
        send(id);
      } catch (error) {
        this.#byId.delete(id);
        throw error;
      }
      // Sending can end the socket, and with it this request.
      if (!this.#byId.has(id)) return;
      signal?.addEventListener('abort', onAbort);
      if (!(timeout > 0)) return;
      const onLate = (): void => this.fail(id, late(`answer to '${name}'`, timeout, 'ERR_TIMEOUT', UNKNOWN));
      timer = this.#world.timer(this.#world.now() + timeout, onLate);
    });
  }

  answer(id: number, answer: unknown): void {
    this.#take(id)?.resolve(answer);
  }

  answerAll(): void {
    for (const id of [...this.#byId.keys()]) this.answer(id, undefined);
  }

  fail(id: number, error: HawserError): void {
    this.#take(id)?.reject(error);
  }

  /** Rejects one request, or all, with an error that says whether the peer can have seen it. */
  failAll(error: (name: string, id: number) => HawserError): void {
    for (const [id, { name }] of [...this.#byId]) this.fail(id, error(name, id));
  }

  #take(id: number): Pending | undefined {
    const pending = this.#byId.get(id);
    if (!pending) return undefined;
    this.#byId.delete(id);
    pending.settle();
    return pending;
  }
}

const UNKNOWN: HawserErrorOptions = { delivered: 'unknown' };

/** What a request hears when the conversation ends before its answer comes. */
export function unanswered(
  name: string,
  code: string,
  cause: HawserError | undefined,
  delivered: 'no' | 'unknown' = 'unknown',
): HawserError {
  return new HawserError(code, `'${name}' was not answered`, { cause, delivered });
}
