import { MessageChannel, threadId } from 'node:worker_threads';
import { HawserError, type Timer } from '../../core/index.ts';
import { LinkGroup } from '../../runtime/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  type Listener,
  type ListenOptions,
  type Transport,
} from '../../transport/index.ts';
import { type Call, DIRECTORY } from './directory.ts';
import { readAnswer } from './letter.ts';
import { HERE, type ThreadPortUser, WorkerLink } from './link.ts';
import { NodePort } from './ports.ts';

export type { ThreadEnd } from './letter.ts';

/** How long a name is looked for before nobody listens on it, ms: a thread that has just been made needs this to start. */
const SEEK_WAIT = 5000;

/**
 * `worker:name`: links between the threads of one process. Any thread may listen and any may dial; docs/guides/workers.md tells how
 * they meet. `seekWait` (ms, default 5000) bounds the opening of a link.
 */
export function createWorkerTransport({ seekWait = SEEK_WAIT }: { readonly seekWait?: number } = {}): Transport {
  return { schemes: ['worker'], dial: (endpoint, options) => new Dial(endpoint, options, seekWait).link, listen };
}

export const workerTransport: Transport = createWorkerTransport();

/** One attempt to open a link: looks for the name, hands a port to who listens, and waits for its answer. */
class Dial implements ThreadPortUser {
  readonly link: Promise<Link>;
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #timer: Timer | undefined;
  #port: NodePort | undefined;
  #unseek: () => void = () => {};
  #resolve: (link: Link) => void = () => {};
  #reject: (error: HawserError) => void = () => {};
  #over = false;

  constructor(endpoint: Endpoint, options: DialOptions, seekWait: number) {
    const { world, signal } = options;
    this.#endpoint = endpoint;
    this.#options = options;
    this.link = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (endpoint.path === '') {
      this.#fail('ERR_URL', 'names nothing');
    } else if (signal.aborted) {
      this.#onAbort();
    } else {
      signal.addEventListener('abort', this.#onAbort);
      this.#timer = world.timer(world.now() + seekWait, () => {
        this.#fail('ERR_CONNECT_FAILED', `was answered by no thread in ${seekWait} ms`);
      });
      this.#seek();
    }
  }

  onPosted(value: unknown): void {
    const answer = readAnswer(value);
    const port = this.#port;
    if (answer?.kind === 'welcome' && port !== undefined) {
      const group = new LinkGroup({ ...this.#options, transport: 'worker' });
      const link = new WorkerLink(group, port, answer.protocol);
      port.hand(link);
      this.#port = undefined;
      this.#finish();
      this.#resolve(link);
    } else if (answer?.kind === 'refuse') {
      const { code, reason, status } = answer;
      this.#fail('ERR_HANDSHAKE_REFUSED', `refused the connection: ${reason}`, { data: { status, close: code } });
    } else {
      this.#fail('ERR_HANDSHAKE_REFUSED', 'is no Hawser');
    }
  }

  /** Who was called has gone, or has stopped listening; another may yet come. */
  onGone(): void {
    this.#port = undefined;
    if (!this.#over) this.#seek();
  }

  readonly #onAbort = (): void => this.#fail('ERR_ABORTED', 'was given up', { cause: this.#options.signal.reason });

  #seek(): void {
    const { path } = this.#endpoint;
    this.#unseek();
    if (DIRECTORY.has(path)) this.#options.world.soon(() => this.#call(threadId));
    else this.#unseek = DIRECTORY.seek(path, (thread) => this.#call(thread));
  }

  #call(thread: number): void {
    if (this.#over || this.#port !== undefined) return;
    const { port1, port2 } = new MessageChannel();
    const port = new NodePort(port1, this);
    this.#port = port;
    const call: Call = { name: this.#endpoint.path, protocols: this.#options.protocols, port: port2 };
    DIRECTORY.call(thread, call).catch((error: unknown) => {
      // Not ours: another listener of that thread failed, and ours may have heard all the same.
      if ((error as { code?: unknown }).code === 'ERR_WORKER_MESSAGING_ERRORED' || this.#port !== port) return;
      port.close();
      this.onGone();
    });
  }

  #fail(
    code: 'ERR_URL' | 'ERR_ABORTED' | 'ERR_CONNECT_FAILED' | 'ERR_HANDSHAKE_REFUSED',
    why: string,
    more = {},
  ): void {
    this.#finish();
    this.#port?.close();
    this.#reject(new HawserError(code, `${describeEndpoint(this.#endpoint)} ${why}`, more));
  }

  #finish(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#unseek();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }
}

async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Listener> {
  const name = endpoint.path;
  const where = `worker:${name}`;
  if (name === '') throw new HawserError('ERR_URL', 'worker: names nothing');
  if (DIRECTORY.has(name)) throw new HawserError('ERR_ADDRESS_IN_USE', `this thread listens on ${where} already`);
  const group = new LinkGroup({ ...options, transport: 'worker' });
  DIRECTORY.listen(name, (call) => accept(call, options, group));
  let open = true;
  const close = async (): Promise<void> => {
    if (open) DIRECTORY.unlisten(name);
    open = false;
  };
  return { endpoint: where, close, [Symbol.asyncDispose]: close };
}

function accept({ protocols, port: theirs }: Call, options: ListenOptions, group: LinkGroup): void {
  const port = new NodePort(theirs);
  const refusal = options.admit(HERE);
  const protocol = protocols.find((one) => options.protocols.includes(one));
  if (refusal !== undefined || protocol === undefined) {
    const { code, reason } = refusal?.reason ?? {
      code: 1003,
      reason: `none of ${protocols.join(', ')} is spoken here`,
    };
    port.post(['refuse', code, reason, refusal?.status ?? 400]);
    port.close();
    return;
  }
  port.post(['welcome', protocol]);
  const link = new WorkerLink(group, port, protocol);
  port.hand(link);
  options.onLink(link);
}
