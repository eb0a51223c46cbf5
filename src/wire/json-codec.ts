import { assert, type ErrorCode, errorOfClose, HawserError, HEADROOM, Outbound } from '../core/index.ts';
import { fromJson, type Tally, toJson } from './json-values.ts';
import {
  type Codec,
  type FailureData,
  Incoming,
  MESSAGE,
  type Meta,
  PROTOCOL,
  type RequestId,
  type Welcome,
  type WireFailure,
} from './messages.ts';
import { checkText, DEPTH_MAX, MALFORMED, mendText } from './rules.ts';
import { asHello, asMeta, asWelcome, type Fields, isMap } from './shapes.ts';

/** Data at its deepest, inside the message, around a tagged value such as `{"$bytes":…}`. */
const NESTING_MAX: number = DEPTH_MAX + 2;
/** Requests that Hawser itself makes of a JSON peer are numbered `"$1"`, so that an answer is told from a request. */
const OWN_REQUEST = /^\$([1-9]\d{0,14})$/;
/** A peer's own id 0: the number 0 stands for none, in `Incoming` and in what is sent. */
const ID_ZERO = '$0';
/** Up to this many characters a text gets headroom, and the worst case of memory. */
const SHORT = 512;

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

const decoder: TextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder: TextEncoder = new TextEncoder();

/** The dialect `hawser.v1.json`: one JSON object a message. docs/PROTOCOL.md has it. */
export const jsonCodec: Codec = {
  protocol: PROTOCOL.json,
  acknowledges: false,
  greets: true,
  decode,
  event,
  volatile: event,
  request: (channel, id, name, data) => write(channel, { event: name, id: `$${id}`, data: toJson(data) }),
  response: (channel, id, name, data) => write(channel, { event: name, id: idToJson(id), data: toJson(data) }),
  failure: (channel, id, code, { message, data }) =>
    write(channel, { event: 'error', code, message: mendText(message), id: idToJson(id), data: toJson(data) }),
  hello: ({ token, user, namespace, query, positions }) =>
    write(0, { event: 'hello', token, user, namespace, query, positions }),
  welcome: ({ id, user, server }) => write(0, { event: 'welcome', data: { id, user, server } }),
  ack: unsaid,
  ping: unsaid,
  pong: unsaid,
  goaway: ({ code, reason, ...more }) =>
    write(0, {
      event: 'error',
      code: errorOfClose(code),
      message: mendText(reason),
      data: Object.values(more).some((one) => one !== undefined) ? more : undefined,
    }),
};

function event(channel: number, name: string, data: unknown, meta?: Meta): Outbound {
  return write(channel, { event: name, ...meta, data: toJson(data) });
}

function unsaid(): never {
  return assert(false, 'the JSON dialect has no such message') as never;
}

function write(channel: number, message: Fields): Outbound {
  assert(channel === 0, 'the JSON dialect has no channels');
  checkText(message['event'] as string);
  const text = JSON.stringify(message);
  if (text.length > SHORT) return new Outbound(encoder.encode(text), true);
  const bytes = new Uint8Array(HEADROOM + text.length * 3);
  const { written } = encoder.encodeInto(text, bytes.subarray(HEADROOM));
  return new Outbound(bytes.subarray(HEADROOM, HEADROOM + written), true, HEADROOM);
}

function idToJson(id: RequestId | undefined): RequestId | undefined {
  if (id === 0) return undefined;
  return id === ID_ZERO ? 0 : id;
}

function decode(bytes: Uint8Array, text: boolean): Incoming | WireFailure {
  if (!text) return fail('ERR_BINARY_IN_JSON', 'a binary message in the JSON dialect');
  let message: Fields;
  try {
    message = parse(decoder.decode(bytes));
  } catch {
    return fail('ERR_MESSAGE_MALFORMED', 'not a JSON object that can be taken');
  }
  let id: RequestId | undefined;
  try {
    id = readId(own(message, 'id'));
    return read(message, id);
  } catch {
    return fail('ERR_MESSAGE_MALFORMED', 'a field is missing or of the wrong type', id);
  }
}

/** Parses one object, strictly: nothing too deep, no key twice. Throws. */
function parse(text: string): Fields {
  const members = countMembers(text);
  const message: unknown = JSON.parse(text);
  if (!isMap(message)) throw MALFORMED;
  const keys = Object.keys(message);
  const tally: Tally = { members: keys.length, surrogates: /\\u[dD]/.test(text) };
  for (const key of keys) {
    if (key === '__proto__') throw MALFORMED;
    message[key] = fromJson(message[key], tally);
  }
  if (tally.members !== members) throw MALFORMED;
  return message;
}

/**
 * Any JSON text, taken as strictly as a message of the dialect, and with its ways to say what JSON can't.
 * @throws HawserError ERR_MESSAGE_MALFORMED.
 */
export function parseJson(text: string): unknown {
  try {
    const members = countMembers(text);
    const tally: Tally = { members: 0, surrogates: /\\u[dD]/.test(text) };
    const value = fromJson(JSON.parse(text), tally);
    if (tally.members === members) return value;
  } catch {
    // Told below.
  }
  throw new HawserError('ERR_MESSAGE_MALFORMED', 'not JSON that can be taken');
}

/**
 * How many members the objects of a JSON text have: its colons outside strings. Of a text that is no JSON the count means nothing.
 * Throws `MALFORMED` for one that nests too deep, before a parser sees it.
 */
function countMembers(text: string): number {
  let members = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COLON) members++;
    // [ and { differ in one bit, and so do ] and }.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > NESTING_MAX) throw MALFORMED;
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return members;
}

/** Where the string ends that begins at `start`: at the first quote with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  let end = start;
  let backslashes: number;
  do {
    end = text.indexOf('"', end + 1);
    if (end < 0) throw MALFORMED;
    backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
  } while (backslashes % 2 === 1);
  return end;
}

function read(message: Fields, id: RequestId | undefined): Incoming {
  const name = own(message, 'event');
  const data = own(message, 'data');
  if (typeof name !== 'string' || name === '') throw MALFORMED;
  switch (name) {
    case 'hello':
      return new Incoming(MESSAGE.hello, 0, id ?? 0, name, asHello({ ...message, resume: undefined }) ?? refuse());
    case 'welcome':
      return new Incoming(MESSAGE.welcome, 0, 0, name, readWelcome(data));
    case 'error':
      return readError(message, id, data);
    default:
      return readNamed(message, id, name, data);
  }
}

function readNamed(message: Fields, id: RequestId | undefined, name: string, data: unknown): Incoming {
  if (id === undefined) return new Incoming(MESSAGE.event, 0, 0, name, data, readMeta(message));
  const answered = ownId(id);
  if (answered !== undefined) return new Incoming(MESSAGE.response, 0, answered, name, data);
  return new Incoming(MESSAGE.request, 0, id, name, data);
}

function readError(message: Fields, id: RequestId | undefined, data: unknown): Incoming {
  const code = own(message, 'code');
  const text = own(message, 'message') ?? '';
  if (typeof code !== 'string' || code === '' || typeof text !== 'string') throw MALFORMED;
  const failure: FailureData = data === undefined ? { message: text } : { message: text, data };
  return new Incoming(MESSAGE.failure, 0, id === undefined ? 0 : (ownId(id) ?? id), code, failure);
}

/** What this dialect doesn't say is 0: no heartbeat, no resume, no limit known. */
function readWelcome(data: unknown): Welcome {
  if (!isMap(data)) throw MALFORMED;
  return asWelcome({ ...data, heartbeat: 0, readWait: 0, resumeWindow: 0, messageBytes: 0 }) ?? refuse();
}

function readMeta(message: Fields): Meta | undefined {
  const meta = asMeta(message) ?? refuse();
  return Object.keys(meta).length === 0 ? undefined : meta;
}

function readId(value: unknown): RequestId | undefined {
  if (value === 0) return ID_ZERO;
  if (value === undefined || typeof value === 'number') return value;
  if (typeof value !== 'string' || value === '' || (value.startsWith('$') && ownId(value) === undefined))
    throw MALFORMED;
  return value;
}

/** The number of a request that Hawser made, or undefined for an id of the peer's. */
function ownId(id: RequestId): number | undefined {
  return typeof id === 'string' && OWN_REQUEST.test(id) ? Number(id.slice(1)) : undefined;
}

/** A field that is there, never one that every object inherits. */
function own(message: Fields, name: string): unknown {
  return Object.hasOwn(message, name) ? message[name] : undefined;
}

function refuse(): never {
  throw MALFORMED;
}

function fail(code: ErrorCode, message: string, id?: RequestId): WireFailure {
  return { kind: 0, code, message, id };
}
