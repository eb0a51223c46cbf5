import { aborted, HawserError, type Timer, type World } from '../../core/index.ts';
import type { AskOptions, Polled } from '../nodes.ts';
import { FRAME, isCount } from './frame.ts';
import type { Peer, Peers } from './peers.ts';
import type { Post } from './post.ts';

/** Questions of this node that wait for answers, and questions of others that it works on, at one time. */
export const QUESTIONS_MOST = 1000;
/** How long answers are waited for, ms. */
export const ASK_TIMEOUT = 2000;

/** A question that waits. */
interface Pending {
  readonly answers: { readonly node: string; readonly data: unknown }[];
  readonly errors: { readonly node: string; readonly error: HawserError }[];
  readonly silent: string[];
  /** Ids of those who have not answered. */
  readonly waiting: Set<string>;
  readonly settle: () => void;
}

export interface QuestionParts {
  readonly world: World;
  readonly post: Post;
  readonly peers: Peers;
  readonly answer: (question: unknown, node: string) => unknown;
  readonly report: (error: unknown, during: string) => void;
}

/** Questions to other nodes, and theirs to this one. */
export class Questions {
  readonly #parts: QuestionParts;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #answering = 0;

  constructor(parts: QuestionParts) {
    this.#parts = parts;
  }

  /** As `Engine.ask`. */
  async ask(question: unknown, { nodes, signal, timeout = ASK_TIMEOUT }: AskOptions): Promise<Polled> {
    if (signal?.aborted) throw aborted(signal, 'no');
    if (this.#pending.size >= QUESTIONS_MOST) {
      throw new HawserError('ERR_TOO_MANY_REQUESTS', `${QUESTIONS_MOST} questions wait for other nodes already`);
    }
    const { post, peers } = this.#parts;
    this.#asked += 1;
    const number = this.#asked;
    const frame = post.framer.frame(FRAME.question, [number, question]);
    const asked = nodes === undefined ? peers.alive().map(({ id }) => id) : [...new Set(nodes)];
    const isThere = (id: string): boolean => post.isOpen && peers.find(id)?.isAlive === true;
    const there = asked.filter(isThere);
    const silent = asked.filter((id) => !isThere(id));
    const answered = this.#wait(number, there, silent, { timeout, ...(signal && { signal }) });
    for (const node of there) post.send({ kind: 'node', node }, frame);
    return answered;
  }

  /** Another node asks. False for what is malformed, here and below. */
  asked(peer: Peer, body: readonly unknown[]): boolean {
    const [number, question] = body;
    if (!isCount(number) || body.length !== 2) return false;
    if (this.#answering >= QUESTIONS_MOST) this.#fail(peer, number, new HawserError('ERR_TOO_MANY_REQUESTS'));
    else void this.#answer(peer, number, question);
    return true;
  }

  answered(peer: Peer, body: readonly unknown[]): boolean {
    const [number, code, said, data] = body;
    if (!isCount(number) || !(code === null || (typeof code === 'string' && typeof said === 'string'))) return false;
    const pending = this.#pending.get(number);
    if (!pending?.waiting.delete(peer.id)) return true;
    if (code === null) pending.answers.push({ node: peer.id, data: said });
    else pending.errors.push({ node: peer.id, error: new HawserError(code, said as string, { data }) });
    if (pending.waiting.size === 0) pending.settle();
    return true;
  }

  /** A node is gone, or given up: it will not answer. */
  gone(node: string): void {
    for (const pending of [...this.#pending.values()]) {
      if (!pending.waiting.delete(node)) continue;
      pending.silent.push(node);
      if (pending.waiting.size === 0) pending.settle();
    }
  }

  close(): void {
    for (const pending of [...this.#pending.values()]) pending.settle();
  }

  #wait(
    number: number,
    there: readonly string[],
    silent: string[],
    { signal, timeout }: { readonly signal?: AbortSignal; readonly timeout: number },
  ): Promise<Polled> {
    if (there.length === 0) return Promise.resolve({ answers: [], errors: [], silent });
    const { world } = this.#parts;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const waiting = new Set(there);
      const end = (): void => {
        this.#pending.delete(number);
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        end();
        reject(aborted(signal, 'unknown'));
      };
      const settle = (): void => {
        end();
        const { answers, errors } = pending;
        resolve({ answers, errors, silent: [...silent, ...waiting] });
      };
      const pending: Pending = { answers: [], errors: [], silent, waiting, settle };
      this.#pending.set(number, pending);
      signal?.addEventListener('abort', onAbort);
      if (timeout > 0) timer = world.timer(world.now() + timeout, settle);
    });
  }

  async #answer(peer: Peer, number: number, question: unknown): Promise<void> {
    this.#answering += 1;
    try {
      const data = await this.#parts.answer(question, peer.id);
      this.#parts.post.toNode(peer.id, FRAME.answer, [number, null, data]);
    } catch (error) {
      this.#fail(peer, number, error);
    } finally {
      this.#answering -= 1;
    }
  }

  /** What an error says crosses only if it was made to be told. */
  #fail(peer: Peer, number: number, error: unknown): void {
    const { post, report } = this.#parts;
    const isOurs = error instanceof HawserError;
    if (!isOurs) report(error, 'answer');
    const [code, message] = isOurs ? [error.code, error.message] : ['ERR_HANDLER_FAILED', 'the node could not answer'];
    try {
      post.toNode(peer.id, FRAME.answer, [number, code, message, isOurs ? error.data : undefined]);
    } catch {
      post.toNode(peer.id, FRAME.answer, [number, code, 'the node could not answer']);
    }
  }
}
