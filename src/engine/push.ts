import { HawserError } from '../core/index.ts';
import type { Position } from './history.ts';

/**
 * What another program has published as if the server itself did: as JSON by `POST /api/publish`, by a subject of NATS or a channel of Redis.
 * For a room, for a user, or with neither for everybody in the namespace.
 */
export interface Push {
  /** Default `/`. */
  readonly namespace?: string;
  readonly room?: string;
  readonly user?: string;
  readonly event: string;
  readonly data?: unknown;
  /** Makes it idempotent: what came by the same id within 2 minutes is not published again. */
  readonly id?: string;
}

/** What who pushed is told. */
export type PushAnswer =
  | { readonly ok: true; readonly position?: Position | undefined }
  | { readonly error: { readonly code: string; readonly message: string } };

const FIELDS: ReadonlySet<string> = new Set(['namespace', 'room', 'user', 'event', 'data', 'id']);
/** UTF-16 units of each name, and of `id`. */
const NAME_MOST = 256;

/** Reads what JSON made of it. @throws HawserError ERR_ARGUMENT with what is wrong with it. */
export function readPush(value: unknown): Push {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a push is an object');
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw wrong(`a push has no ${JSON.stringify(unknown.slice(0, NAME_MOST))}`);
  const push = value as Record<string, unknown>;
  if (push['event'] === undefined) throw wrong('a push needs an event');
  for (const name of ['namespace', 'room', 'user', 'event', 'id']) checkName(name, push[name]);
  if (push['room'] !== undefined && push['user'] !== undefined) throw wrong('a push is for a room or for a user');
  return push as unknown as Push;
}

/**
 * Has what came as the bytes of JSON published, and says how it went; never rejects. What is wrong with it is also told to `report`.
 * @param publish Without it nothing is taken.
 */
export async function takePush(
  bytes: Uint8Array,
  publish: ((push: Push) => Promise<Position | undefined>) | undefined,
  report: (error: unknown) => void,
): Promise<PushAnswer> {
  try {
    if (publish === undefined) throw new HawserError('ERR_UNSUPPORTED', 'nothing is pushed to this server');
    const position = await publish(readPush(parsed(bytes)));
    return position === undefined ? { ok: true } : { ok: true, position };
  } catch (error) {
    report(error);
    const isOurs = error instanceof HawserError;
    return { error: { code: isOurs ? error.code : 'ERR_INTERNAL', message: isOurs ? error.message : 'internal' } };
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new HawserError('ERR_MESSAGE_MALFORMED', 'a push that is no JSON', { cause: error });
  }
}

function checkName(name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== 'string' || value === '') throw wrong(`${name} is not a text`);
  if (value.length > NAME_MOST) throw wrong(`${name} is over ${NAME_MOST} characters`);
}

const wrong = (message: string): HawserError => new HawserError('ERR_ARGUMENT', message);
