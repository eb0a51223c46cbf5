import { checkName } from '../channel/index.ts';
import { HawserError } from '../core/index.ts';
import type { EngineMessage, Position } from '../engine/index.ts';
import { everybody, isRecord } from '../room/index.ts';
import { parseJson } from '../wire/index.ts';
import type { Places } from './places.ts';

/**
 * A message that a program pushes that is no socket: by `POST /api/publish`, a subject of NATS or a channel of Redis. For the members of a
 * room, all sockets of a user, or with neither for everybody in the namespace.
 */
export interface Push {
  /** Default `/`. */
  readonly namespace?: string;
  readonly room?: string;
  readonly user?: string;
  readonly event: string;
  readonly data?: unknown;
  /** Who pushes again by the same id within 2 minutes pushes nothing. */
  readonly id?: string;
}

/** What became of one message that was pushed. */
export type Pushed =
  | ({ readonly ok: true; readonly id?: string } & Where)
  | { readonly ok: false; readonly id?: string; readonly error: PushError };

interface Where {
  /** Where the message stands in the history of its room, if it has one. */
  readonly position?: Position;
  /** It was published before, by its id, and nobody got it again. */
  readonly isDuplicate?: boolean;
}

export interface PushError {
  readonly code: string;
  readonly message: string;
  /** Whether the message can have been delivered nevertheless. */
  readonly delivered?: 'no' | 'unknown';
}

export interface PushOptions {
  readonly signal?: AbortSignal;
  /** ms for each message */
  readonly timeout?: number;
  /** The id of a message that has none of its own; of several, with a slash and their places in the list from 0. */
  readonly id?: string;
}

/** Messages of one push. */
export const PUSH_MESSAGES = 100;
/** Bytes of JSON of one push. */
export const PUSH_BYTES: number = 1 << 20;

/** Publishes what comes from programs that are no sockets, checked as what peers send is. */
export class Pusher {
  readonly #places: Places;
  readonly #report: (error: unknown, during: string) => void;

  constructor(places: Places, report: (error: unknown, during: string) => void) {
    this.#places = places;
    this.#report = report;
  }

  /**
   * Publishes one message, or each of a list in its order; one that is refused is no reason to leave out others.
   * @throws HawserError ERR_ARGUMENT for a list that is not of 1 to 100.
   */
  async push(value: unknown, options: PushOptions & Heard = {}): Promise<readonly Pushed[]> {
    if (!Array.isArray(value)) return [await this.#pushOne(value, options)];
    if (value.length < 1 || value.length > PUSH_MESSAGES) {
      throw new HawserError('ERR_ARGUMENT', `a push has 1 to ${PUSH_MESSAGES} messages, not ${value.length}`);
    }
    const { id } = options;
    const optionsAt = (at: number): PushOptions & Heard =>
      id === undefined ? options : { ...options, id: `${id}/${at}` };
    return Promise.all(value.map((one: unknown, at) => this.#pushOne(one, optionsAt(at))));
  }

  /**
   * What came by the engine's server, which `heardBy` may have told to every node: then each has its own sockets hear of it. Resolves with the
   * answer in JSON; what is refused is reported, too.
   */
  async pushJson(json: Uint8Array, heardBy: 'one' | 'all'): Promise<Uint8Array> {
    let answer: PushAnswer;
    try {
      const value = readPushJson(json);
      answer = answerOf(value, await this.push(value, { isEverywhere: heardBy === 'all' }));
    } catch (error) {
      answer = { ok: false, error: pushError(error) };
    }
    if (!answer.ok) this.#report(new HawserError('ERR_ARGUMENT', 'a push was refused', { data: answer }), 'push');
    return new TextEncoder().encode(JSON.stringify(answer));
  }

  async #pushOne(value: unknown, options: PushOptions & Heard): Promise<Pushed> {
    let told = {};
    try {
      const push = readPush(value);
      const id = push.id ?? options.id;
      if (id !== undefined) told = { id };
      return { ok: true, ...told, ...(await this.#publish({ ...push, ...told }, options)) };
    } catch (error) {
      return { ok: false, ...told, error: pushError(error) };
    }
  }

  /** @throws HawserError for who has pushed it. */
  async #publish(push: Push, { isEverywhere = false, ...options }: PushOptions & Heard): Promise<Where> {
    const { namespace = '/', room, user, event, data, id } = push;
    if (this.#places.look(namespace).kind === 'unknown') {
      throw new HawserError('ERR_NO_SUCH_NAMESPACE', `there is no namespace '${namespace}' here`);
    }
    const isKept = room !== undefined && this.#places.hall(namespace).hasHistory(room);
    if (isEverywhere && isKept && id === undefined) {
      throw new HawserError('ERR_ARGUMENT', 'what all nodes hear needs an id to enter a history once');
    }
    if (isEverywhere && !isKept) {
      this.#deliver({ ...push, namespace });
      return {};
    }
    const face = this.#places.face(namespace);
    const whom = room === undefined ? (user === undefined ? face.all() : face.user(user)) : face.to(room);
    const { signal, timeout } = options;
    const published = await whom.publish(event, data, {
      ...(id === undefined ? {} : { id }),
      ...(signal && { signal }),
      ...(timeout === undefined ? {} : { timeout }),
    });
    const [{ offset, epoch } = {}] = published.positions;
    const position = offset === undefined || epoch === undefined ? {} : { position: { offset, epoch } };
    return { ...position, ...(published.isDuplicate && { isDuplicate: true }) };
  }

  /** To the sockets of this node alone. */
  #deliver({ namespace, room, user, event, data, id }: Push & { readonly namespace: string }): void {
    const named = { rooms: room === undefined ? [] : [room], users: user === undefined ? [] : [user] };
    const target = { ...everybody(namespace), ...named };
    const message: EngineMessage = { target, event, data, meta: {}, volatile: false, id };
    this.#places.rooms(namespace)?.deliver(message);
  }
}

interface Heard {
  /** Every node of the cluster has heard the same. */
  readonly isEverywhere?: boolean;
}

/** What who pushed is told: of one message, or of a list. */
export type PushAnswer = Pushed | { readonly ok: boolean; readonly results: readonly Pushed[] };

/** `value` is what was pushed. */
export function answerOf(value: unknown, pushed: readonly Pushed[]): PushAnswer {
  const [first] = pushed;
  if (!Array.isArray(value) && first !== undefined) return first;
  return { ok: pushed.every(({ ok }) => ok), results: pushed };
}

const FIELDS: ReadonlySet<string> = new Set(['namespace', 'room', 'user', 'event', 'data', 'id']);
const NAME_LETTERS = 256;
const NAMESPACE_LETTERS = 1024;
const ID_LETTERS = 128;

/** @throws HawserError ERR_ARGUMENT with what is wrong, ERR_EVENT_RESERVED. */
function readPush(value: unknown): Push {
  if (!isRecord(value)) throw wrong('a push is an object');
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw wrong(`a push has no ${JSON.stringify(unknown.slice(0, NAME_LETTERS))}`);
  checkName(value['event'] as string, NAME_LETTERS);
  for (const name of ['room', 'user']) checkText(name, value[name], NAME_LETTERS);
  checkText('id', value['id'], ID_LETTERS);
  checkText('namespace', value['namespace'], NAMESPACE_LETTERS);
  if (value['room'] !== undefined && value['user'] !== undefined) throw wrong('a push is for a room or for a user');
  return value as unknown as Push;
}

function checkText(name: string, value: unknown, most: number): void {
  if (value === undefined) return;
  if (typeof value === 'string' && value !== '' && value.length <= most) return;
  throw wrong(`${name} is a text of 1 to ${most} characters`);
}

function wrong(message: string): HawserError {
  return new HawserError('ERR_ARGUMENT', message);
}

/** JSON in UTF-8 of a push. @throws HawserError ERR_MESSAGE_MALFORMED, ERR_MESSAGE_TOO_LARGE. */
export function readPushJson(bytes: Uint8Array): unknown {
  if (bytes.length > PUSH_BYTES) {
    throw new HawserError('ERR_MESSAGE_TOO_LARGE', `a push has at most ${PUSH_BYTES} bytes`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HawserError('ERR_MESSAGE_MALFORMED', 'not UTF-8', { cause });
  }
  return parseJson(text);
}

/** What a stranger may know of an error. */
export function pushError(error: unknown): PushError {
  if (!(error instanceof HawserError)) return { code: 'ERR_INTERNAL', message: 'the server failed' };
  const { code, message, delivered } = error;
  return { code, message, ...(delivered && { delivered }) };
}
