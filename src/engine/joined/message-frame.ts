import type { Overflow } from '../../core/index.ts';
import type { Meta } from '../../wire/index.ts';
import type { EngineMessage } from '../engine.ts';
import { bodyOf, carried, FRAME, type Framer, isCount, nameOf } from './frame.ts';

const VOLATILE = 1;
/** MessagePack has no word for it. */
const NO_DATA = 2;
/** More follows than most messages have. */
const MORE = 4;
/** All that the room layer vouches for is who sent it: the meta is their id and user, or no user. */
const FROM = 8;
/** The flags are below it; above is the sender's turn. */
const TURN = 16;

const NO_NAMES: readonly string[] = [];
const OVERFLOWS: readonly unknown[] = ['block', 'disconnect', 'drop', 'latest'] satisfies Overflow[];

/** @throws HawserError ERR_UNENCODABLE. */
export function messageFrame(framer: Framer, message: EngineMessage): Uint8Array {
  const { target, event, data, meta, overflow, key, id } = message;
  const { users, exceptRooms } = target;
  const { from, room, member } = meta;
  const hasMore =
    users.length + exceptRooms.length > 0 || overflow !== undefined || key !== undefined || id !== undefined;
  const isFrom = from !== undefined && room === undefined && member === undefined;
  const flags =
    (message.volatile ? VOLATILE : 0) | (data === undefined ? NO_DATA : 0) | (hasMore ? MORE : 0) | (isFrom ? FROM : 0);
  const list: unknown[] = [
    flags + TURN * framer.turn,
    carried(target.namespace),
    allCarried(target.rooms),
    event,
    data,
    isFrom ? carried(from.id) : meta,
    isFrom && from.user !== null ? carried(from.user) : null,
    allCarried(target.exceptSockets),
  ];
  if (hasMore) list.push(allCarried(users), allCarried(exceptRooms), overflow, key, id);
  return framer.frame(FRAME.message, list);
}

/** Undefined when it is no message. */
export function readMessage(frame: Uint8Array): EngineMessage | undefined {
  const body = bodyOf(frame);
  return body === undefined ? undefined : messageIn(body);
}

/** The sender's turn, from what is in a frame; 0 when that is no message. */
export function turnIn(body: readonly unknown[]): number {
  return isCount(body[0]) ? Math.floor(body[0] / TURN) : 0;
}

/** The message, from what is in a frame; undefined when it is none. */
export function messageIn(body: readonly unknown[]): EngineMessage | undefined {
  const [flags, space, inRooms, event, data, said, user, outSockets, toUsers, outRooms, overflow, key, id] = body;
  if (!isCount(flags) || typeof event !== 'string') return undefined;
  const hasMore = (flags & MORE) !== 0;
  if (body.length !== (hasMore ? 13 : 8)) return undefined;
  const meta = (flags & FROM) === 0 ? metaOf(said) : fromOf(said, user);
  const namespace = nameOf(space);
  const rooms = namesOf(inRooms);
  const exceptSockets = namesOf(outSockets);
  const users = hasMore ? namesOf(toUsers) : NO_NAMES;
  const exceptRooms = hasMore ? namesOf(outRooms) : NO_NAMES;
  if (namespace === undefined || rooms === undefined || exceptSockets === undefined) return undefined;
  if (users === undefined || exceptRooms === undefined || meta === undefined) return undefined;
  const plain = {
    target: { namespace, rooms, users, exceptRooms, exceptSockets },
    event,
    data: (flags & NO_DATA) === 0 ? data : undefined,
    meta,
    volatile: (flags & VOLATILE) !== 0,
  };
  if (!hasMore) return plain;
  if (!isTextOrNone(key) || !isTextOrNone(id) || !(overflow === null || OVERFLOWS.includes(overflow))) return undefined;
  return {
    ...plain,
    overflow: (overflow as Overflow | null) ?? undefined,
    key: key ?? undefined,
    id: id ?? undefined,
  };
}

function allCarried(names: readonly string[]): readonly (string | Uint8Array)[] {
  for (const name of names) if (typeof carried(name) !== 'string') return names.map(carried);
  return names;
}

function namesOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  for (let i = 0; i < value.length; i++) {
    if (typeof value[i] === 'string') continue;
    const name = nameOf(value[i]);
    if (name === undefined) return undefined;
    value[i] = name;
  }
  return value as string[];
}

function isTextOrNone(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function fromOf(inId: unknown, inUser: unknown): Meta | undefined {
  const id = nameOf(inId);
  const user = inUser === null ? null : nameOf(inUser);
  return id === undefined || user === undefined ? undefined : { from: { id, user } };
}

function metaOf(value: unknown): Meta | undefined {
  if (!isMap(value)) return undefined;
  const { room, from, member } = value;
  const isGood =
    (room === undefined || typeof room === 'string') &&
    (from === undefined || isPeer(from)) &&
    (member === undefined || isPeer(member));
  return isGood ? value : undefined;
}

function isPeer(value: unknown): boolean {
  return isMap(value) && typeof value['id'] === 'string' && isTextOrNone(value['user']);
}

export function isMap(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return !(Array.isArray(value) || value instanceof Uint8Array || value instanceof Date);
}
