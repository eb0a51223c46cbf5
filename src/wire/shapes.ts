import {
  ALTERNATIVES_MOST,
  EPOCH_LENGTH,
  type Goaway,
  type Hello,
  type Meta,
  POSITIONS_MOST,
  PROTOCOL_VERSION,
  ROOM_LEAST,
  type Welcome,
} from './messages.ts';

export type Fields = Record<string, unknown>;
type Check = (value: unknown) => boolean;
/** A field: its name, how to tell that a value fits, and whether it may be missing. */
type Field = readonly [name: string, fits: Check, optional?: boolean];

/** Length of a resume ticket, bytes. */
const TICKET_BYTES = 16;

export function isMap(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  return !(Array.isArray(value) || value instanceof Uint8Array || value instanceof Date);
}

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isUser: Check = (value) => value === null || typeof value === 'string';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isTicket: Check = (value) => value instanceof Uint8Array && value.length === TICKET_BYTES;
const isPair: Check = (value) => Array.isArray(value) && value.length === 2 && value.every(isCount);
const isCounts: Check = (value) => Array.isArray(value) && value.every(isPair);
const isPosition: Check = (value) =>
  Array.isArray(value) && value.length === 3 && isText(value[0]) && isCount(value[1]) && isEpoch(value[2]);
const isEpoch: Check = (value) => typeof value === 'string' && value.length <= EPOCH_LENGTH;
const isPositions: Check = (value) => Array.isArray(value) && value.length <= POSITIONS_MOST && value.every(isPosition);
const isQuery: Check = (value) => isMap(value) && Object.values(value).every(isText);
const isPlaces: Check = (value) => Array.isArray(value) && value.length <= ALTERNATIVES_MOST && value.every(isText);
const isPeer: Check = (value) => pick(value, PEER) !== undefined;
const isRoom: Check = (value) => pick(value, ROOM) !== undefined;
const isResume: Check = (value) => pick(value, RESUME) !== undefined;

const PEER: readonly Field[] = [
  ['id', isText],
  ['user', isUser],
];
const RESUME: readonly Field[] = [
  ['ticket', isTicket],
  ['counts', isCounts],
  ['attempt', isCount, true],
];
const ROOM: readonly Field[] = [
  ['most', isCount],
  ['bytes', isCount],
  ['message', (value) => isCount(value) && (value as number) >= ROOM_LEAST],
];
const META: readonly Field[] = [
  ['room', isText, true],
  ['from', isPeer, true],
  ['member', isPeer, true],
  ['offset', isCount, true],
];
const HELLO: readonly Field[] = [
  ['namespace', isText, true],
  ['token', isText, true],
  ['user', isText, true],
  ['query', isQuery, true],
  ['channels', isRoom, true],
  ['positions', isPositions, true],
  ['resume', isResume, true],
];
const WELCOME: readonly Field[] = [
  ['id', isText],
  ['user', isUser],
  ['server', isText],
  ['recovered', isFlag, true],
  ['ticket', isTicket, true],
  ['counts', isCounts, true],
  ['heartbeat', isCount],
  ['readWait', isCount],
  ['resumeWindow', isCount],
  ['messageBytes', isCount],
  ['channels', isRoom, true],
];
const GOAWAY: readonly Field[] = [
  ['code', isCount],
  ['reason', isText],
  ['retryAfter', isCount, true],
  ['alternatives', isPlaces, true],
];

/** The known fields of `value`, or undefined when one is missing or of the wrong type. Unknown fields are dropped. */
export function asHello(value: unknown): Hello | undefined {
  return pick(value, HELLO, { version: PROTOCOL_VERSION }) as Hello | undefined;
}

export function asWelcome(value: unknown): Welcome | undefined {
  return pick(value, WELCOME, { version: PROTOCOL_VERSION }) as Welcome | undefined;
}

export function asGoaway(value: unknown): Goaway | undefined {
  return pick(value, GOAWAY) as Goaway | undefined;
}

export function asMeta(value: unknown): Meta | undefined {
  return pick(value, META);
}

function pick(value: unknown, fields: readonly Field[], picked: Fields = {}): Fields | undefined {
  if (!isMap(value)) return undefined;
  for (const [name, fits, optional] of fields) {
    const field = Object.hasOwn(value, name) ? value[name] : undefined;
    if (field === undefined ? !optional : !fits(field)) return undefined;
    if (field !== undefined) picked[name] = field;
  }
  return picked;
}
