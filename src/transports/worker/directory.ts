import { BroadcastChannel, MessagePort, postMessageToThread, threadId } from 'node:worker_threads';
import { VERSION } from './letter.ts';

/** A port that another thread hands over to open a link. */
export interface Call {
  readonly name: string;
  /** The protocols that the caller speaks, best first. */
  readonly protocols: readonly string[];
  readonly port: MessagePort;
}

/** What all threads of the process hear: who looks for a name, and who listens on it. */
interface Notice {
  readonly hawser: number;
  readonly what: 'seek' | 'here';
  readonly name: string;
  readonly thread: number;
}

/**
 * The names that this thread listens on, and how those of other threads are found. Threads meet on a broadcast channel, which
 * carries names alone; the port of each link then goes straight from thread to thread.
 */
class Directory {
  readonly #listeners = new Map<string, (call: Call) => void>();
  readonly #seekers = new Map<string, Set<(thread: number) => void>>();
  #channel: BroadcastChannel | undefined;

  /** Whether this thread listens on the name. */
  has(name: string): boolean {
    return this.#listeners.has(name);
  }

  /** From now on calls to the name are answered here, and the thread stays alive for them. */
  listen(name: string, answer: (call: Call) => void): void {
    if (this.#listeners.size === 0) process.on('workerMessage', this.#onCall);
    this.#listeners.set(name, answer);
    this.#tune();
    this.#notify('here', name);
    // The channel doesn't bring a thread its own words.
    this.#tellSeekers(name, threadId);
  }

  unlisten(name: string): void {
    if (!this.#listeners.delete(name)) return;
    if (this.#listeners.size === 0) process.off('workerMessage', this.#onCall);
    this.#tune();
  }

  /** Tells `found` of each thread that listens on the name, now or later, until the returned function is called. */
  seek(name: string, found: (thread: number) => void): () => void {
    const seekers = this.#seekers.get(name) ?? new Set();
    this.#seekers.set(name, seekers.add(found));
    this.#tune();
    this.#notify('seek', name);
    return () => {
      seekers.delete(found);
      if (seekers.size === 0) this.#seekers.delete(name);
      this.#tune();
    };
  }

  /** Hands a port to a thread that listens. Rejects when that thread is gone or has stopped listening; the port is then lost. */
  async call(thread: number, { name, protocols, port }: Call): Promise<void> {
    if (thread === threadId) this.#listeners.get(name)?.({ name, protocols, port });
    else await postMessageToThread(thread, { hawser: VERSION, name, protocols, port }, [port]);
  }

  readonly #onCall = (value: unknown): void => {
    const call = readCall(value);
    if (call === undefined) return;
    const answer = this.#listeners.get(call.name);
    // Who called hears that nobody is here.
    if (answer === undefined) call.port.close();
    else answer(call);
  };

  readonly #onNotice = ({ data }: { readonly data: unknown }): void => {
    const notice = readNotice(data);
    if (notice?.what === 'seek' && this.has(notice.name)) this.#notify('here', notice.name);
    if (notice?.what === 'here') this.#tellSeekers(notice.name, notice.thread);
  };

  #tellSeekers(name: string, thread: number): void {
    for (const found of [...(this.#seekers.get(name) ?? [])]) found(thread);
  }

  /** The channel is open while someone needs it, and keeps the thread alive while it listens on a name. */
  #tune(): void {
    if (this.#listeners.size + this.#seekers.size === 0) {
      this.#channel?.close();
      this.#channel = undefined;
      return;
    }
    if (this.#channel === undefined) {
      this.#channel = new BroadcastChannel('hawser.worker');
      this.#channel.onmessage = this.#onNotice as (event: unknown) => void;
    }
    if (this.#listeners.size > 0) this.#channel.ref();
    else this.#channel.unref();
  }

  #notify(what: Notice['what'], name: string): void {
    const notice: Notice = { hawser: VERSION, what, name, thread: threadId };
    this.#channel?.postMessage(notice);
  }
}

/** The one directory of this thread. */
export const DIRECTORY: Directory = new Directory();

/** Applications may post to threads as well: what is not ours is left alone. */
function readCall(value: unknown): Call | undefined {
  const { hawser, name, protocols, port } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (hawser !== VERSION || typeof name !== 'string' || !isPort(port)) return undefined;
  if (!Array.isArray(protocols) || !protocols.every((one) => typeof one === 'string')) return undefined;
  return { name, protocols, port };
}

function isPort(value: unknown): value is MessagePort {
  return value instanceof MessagePort;
}

function readNotice(value: unknown): Notice | undefined {
  const { hawser, what, name, thread } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (hawser !== VERSION || typeof name !== 'string' || typeof thread !== 'number') return undefined;
  return what === 'seek' || what === 'here' ? { hawser, what, name, thread } : undefined;
}
