import { aborted, type Timer, type World } from '../../core/index.ts';
import { down } from './failures.ts';

/** What a stream answers to an entry. */
export type Ack =
  | { readonly kind: 'added'; readonly stream: string; readonly offset: number; readonly isDuplicate: boolean }
  /** Nobody takes entries at this subject: there is no such stream, or it has no leader. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'refused'; readonly code: number; readonly message: string };

interface Waiting {
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: unknown) => void;
  readonly bytes: number;
  readonly timer: Timer | undefined;
  readonly stopListening: () => void;
}

export interface AckWait {
  readonly signal?: AbortSignal | undefined;
  /** ms; 0 waits for ever. */
  readonly timeout: number;
}

/** Who waits for the answer to an entry, by the last token of the subject that the answer comes to. */
export class Acks {
  readonly #world: World;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;
  /** Bytes of the entries that wait. */
  bytes = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** `send` is called with the token, at once. @throws HawserError ERR_ENGINE_DOWN, ERR_ABORTED: whether it was added isn't known then. */
  wait(bytes: number, { signal, timeout }: AckWait, send: (token: string) => void): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(aborted(signal, 'no'));
        return;
      }
      const token = (this.#count++).toString(36);
      const fail = (error: unknown): void => this.#take(token)?.reject(error);
      const abort = (): void => fail(aborted(signal, 'unknown'));
      const late = (): void => fail(down(`no answer of NATS in ${timeout} ms`, 'unknown'));
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.set(token, {
        resolve,
        reject,
        bytes,
        timer: timeout === 0 ? undefined : this.#world.timer(this.#world.now() + timeout, late),
        stopListening: () => signal?.removeEventListener('abort', abort),
      });
      this.bytes += bytes;
      try {
        send(token);
      } catch (error) {
        fail(error);
      }
    });
  }

  /** An answer came. What nobody waits for any more is dropped. */
  answer(token: string, ack: Ack): void {
    this.#take(token)?.resolve(ack);
  }

  /** The connection is gone: those that wait may have been added or not. */
  lose(error: unknown): void {
    for (const token of [...this.#waiting.keys()]) {
      this.#take(token)?.reject(down('the connection to NATS broke', 'unknown', error));
    }
  }

  #take(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(token);
    this.bytes -= waiting.bytes;
    waiting.timer?.cancel();
    waiting.stopListening();
    return waiting;
  }
}

/** Reads an answer: its status of headers, or JSON. */
export function readAck(status: number, json: () => unknown): Ack {
  if (status === 503) return { kind: 'nobody' };
  try {
    const { stream, seq, duplicate, error } = json() as Partial<PubAck>;
    if (error !== undefined) {
      return { kind: 'refused', code: error.err_code ?? error.code ?? 0, message: String(error.description) };
    }
    if (typeof stream === 'string' && Number.isSafeInteger(seq)) {
      return { kind: 'added', stream, offset: seq ?? 0, isDuplicate: duplicate === true };
    }
  } catch {
    // It is no JSON.
  }
  return { kind: 'refused', code: 0, message: 'an answer that is none of JetStream' };
}

interface PubAck {
  readonly stream: string;
  readonly seq: number;
  readonly duplicate: boolean;
  readonly error: { readonly code?: number; readonly err_code?: number; readonly description?: string };
}
