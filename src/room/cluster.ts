import { HawserError, type WaitOptions } from '../core/index.ts';
import type { Engine, Polled } from '../engine/index.ts';
import type { Told } from './answer.ts';
import type { Answers, Asked } from './ask.ts';
import { isCount, isRecord, isTexts, type Question } from './question.ts';

/** Which nodes a call to all of them has not reached, or not in full. */
export interface Unreached {
  /** Ids of the nodes that did not answer in time, or are gone. */
  readonly silentNodes: readonly string[];
  /** Those that answered that they could not, or not for all of their sockets. */
  readonly failedNodes: readonly { readonly node: string; readonly error: HawserError }[];
}

/** What a call to all nodes has come to. */
export interface Reached extends Unreached {
  /** How many sockets it reached, on all nodes that answered. */
  readonly sockets: number;
}

export interface FoundSocket extends Told {
  /** The id of the node that it is on. */
  readonly node: string;
}

/** Sockets, on whatever node they are. */
export interface Found extends Unreached {
  readonly sockets: readonly FoundSocket[];
  /** How many there are, also when not all are listed. */
  readonly total: number;
}

export interface FindOptions extends WaitOptions {
  /** The longest list to answer with. Default 1000. */
  readonly most?: number;
  /** Only those of these ids. */
  readonly sockets?: readonly string[];
}

/** ms that other nodes get beyond what their sockets have for an answer. */
const GRACE = 2000;

/** What the other nodes are asked, and what of their answers can be believed. */
export class OtherNodes {
  readonly #engine: Pick<Engine, 'ask' | 'nodes'>;

  constructor(engine: Pick<Engine, 'ask' | 'nodes'>) {
    this.#engine = engine;
  }

  /** @throws HawserError ERR_ABORTED. */
  async find(question: Extract<Question, { kind: 'find/1' }>, here: FoundHere, options: WaitOptions): Promise<Found> {
    const [polled, nodes] = await Promise.all([this.#ask(question, options), this.#engine.nodes()]);
    const self = nodes.find(({ isSelf }) => isSelf)?.id ?? '';
    const { said, ...unreached } = sift(polled, isFound);
    const far = said.flatMap(({ node, data }) => data.sockets.map((one) => found(one, node)));
    const sockets = [...here.sockets.map((one) => found(one, self)), ...far].slice(0, question.most);
    return { sockets, total: here.total + sum(said.map(({ data }) => data.total)), ...unreached };
  }

  /** Never rejects, but with ERR_ABORTED where there is a signal. `here` counts the sockets of this node. */
  async reach(question: Question, here: number, options: WaitOptions): Promise<Reached> {
    const { said, ...unreached } = sift(await this.#poll(question, options), isReached);
    return { sockets: here + sum(said.map(({ data }) => data.sockets)), ...unreached };
  }

  /** @throws HawserError ERR_ABORTED, ERR_UNENCODABLE. */
  async request(
    question: Extract<Question, { kind: 'request/1' }>,
    here: Promise<Answers<unknown>>,
    { signal }: WaitOptions,
  ): Promise<Answers<unknown>> {
    const timeout = question.timeout === 0 ? 0 : question.timeout + GRACE;
    const asking = this.#ask(question, signal === undefined ? { timeout } : { signal, timeout });
    const [near, polled] = await Promise.all([here, asking]);
    const { said, ...unreached } = sift(polled, isAnswers);
    return {
      answers: [...near.answers, ...said.flatMap(({ data }) => data.answers)],
      errors: [...near.errors, ...said.flatMap(({ data }) => data.errors.map(errorOf))],
      silent: [...near.silent, ...said.flatMap(({ data }) => data.silent)],
      ...unreached,
    };
  }

  async #poll(question: Question, options: WaitOptions): Promise<Polled> {
    try {
      return await this.#ask(question, options);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      return { answers: [], errors: [{ node: '', error: error as HawserError }], silent: [] };
    }
  }

  #ask(question: Question, { signal, timeout }: WaitOptions): Promise<Polled> {
    return this.#engine.ask(question, { ...(signal && { signal }), ...(timeout !== undefined && { timeout }) });
  }
}

interface FoundHere {
  readonly sockets: readonly Told[];
  readonly total: number;
}

interface AnswersOfNode {
  readonly answers: readonly (Asked & { readonly data: unknown })[];
  readonly errors: readonly (Asked & { readonly error: ErrorTold })[];
  readonly silent: readonly Asked[];
}

interface ErrorTold {
  readonly code: string;
  readonly message: string;
  readonly data?: unknown;
}

/** The answers that have the shape they should have; a node with another one has failed. */
function sift<T>(
  { answers, errors, silent }: Polled,
  isShaped: (data: unknown) => data is T,
): Unreached & { readonly said: readonly { readonly node: string; readonly data: T }[] } {
  const said: { readonly node: string; readonly data: T }[] = [];
  const failedNodes = [...errors];
  for (const { node, data } of answers) {
    if (isShaped(data)) said.push({ node, data });
    else failedNodes.push({ node, error: new HawserError('ERR_MESSAGE_MALFORMED', 'the answer makes no sense') });
  }
  return { said, failedNodes, silentNodes: silent };
}

function isReached(data: unknown): data is { readonly sockets: number } {
  return isRecord(data) && isCount(data['sockets']);
}

function isFound(data: unknown): data is FoundHere {
  return isRecord(data) && isCount(data['total']) && isList(data['sockets'], isTold);
}

function isTold(one: Readonly<Record<string, unknown>>): boolean {
  return typeof one['id'] === 'string' && isUser(one['user']) && isTexts(one['rooms']) && isCount(one['roomCount']);
}

function isAnswers(data: unknown): data is AnswersOfNode {
  if (!isRecord(data)) return false;
  const { answers, errors, silent } = data;
  const failed = (one: Readonly<Record<string, unknown>>): boolean => isAsked(one) && isErrorTold(one['error']);
  return isList(answers, isAsked) && isList(errors, failed) && isList(silent, isAsked);
}

function isAsked(one: Readonly<Record<string, unknown>>): boolean {
  return typeof one['socket'] === 'string' && isUser(one['user']);
}

function isErrorTold(error: unknown): boolean {
  return isRecord(error) && typeof error['code'] === 'string' && typeof error['message'] === 'string';
}

function isUser(user: unknown): boolean {
  return user === null || typeof user === 'string';
}

function isList(value: unknown, isOne: (one: Readonly<Record<string, unknown>>) => boolean): boolean {
  return Array.isArray(value) && value.every((one: unknown) => isRecord(one) && isOne(one));
}

function found({ id, user, rooms, roomCount }: Told, node: string): FoundSocket {
  return { id, user, node, rooms, roomCount };
}

function errorOf({ socket, user, error }: Asked & { readonly error: ErrorTold }): Asked & {
  readonly error: HawserError;
} {
  return { socket, user, error: new HawserError(error.code, error.message, { data: error.data }) };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}
