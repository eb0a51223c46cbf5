import { type ErrorCode, Outbound } from '../core/index.ts';
import {
  type ChannelCount,
  type Codec,
  Incoming,
  MESSAGE,
  type MessageKind,
  PROTOCOL,
  PROTOCOL_VERSION,
  UNSAID,
  type WireFailure,
} from './messages.ts';
import {
  beginReading,
  left,
  readUint,
  readValue,
  readVarint,
  take,
  writeBytes,
  writeValue,
  writeVarint,
  written,
} from './page-values.ts';
import { DEPTH_MAX, MALFORMED, mendText } from './rules.ts';
import { asGoaway, asMeta, asWelcome } from './shapes.ts';

/**
 * The dialect `hawser.v1` as a page speaks it: the same bytes as `clientCodec`, in half the code, and slower. What only a server
 * says it can't say (WELCOME, GOAWAY, meta), nor read what only a client says. docs/decisions/client-size.md says why there are two,
 * docs/ARCHITECTURE.md how both are changed.
 */
export const pageCodec: Codec = {
  protocol: PROTOCOL.hawser,
  acknowledges: true,
  greets: true,
  decode,
  event: (channel, name, data) => write(MESSAGE.event, [channel], pair(name, data)),
  volatile: (channel, name, data) => write(MESSAGE.volatile, [channel], pair(name, data)),
  request: (channel, id, name, data) => write(MESSAGE.request, [channel, id], pair(name, data)),
  response: (channel, id, _name, data) => write(MESSAGE.response, [channel, id as number], data, DEPTH_MAX),
  failure: (channel, id, code, { message, data }) =>
    write(
      MESSAGE.failure,
      [channel, (id ?? 0) as number],
      [code, mendText(message), ...(data === undefined ? [] : [data])],
    ),
  hello: ({ version, ...fields }) => write(MESSAGE.hello, [version], fields),
  welcome: () => UNSAID,
  ack: (counts) => write(MESSAGE.ack, counts.flat()),
  ping: (stamp) => write(MESSAGE.ping, [stamp]),
  pong: (stamp) => write(MESSAGE.pong, [stamp]),
  goaway: () => UNSAID,
  channels: {
    open: (channel, name, data) => write(MESSAGE.channelOpen, [channel], pair(name, data)),
    data: (channel, bytes) => write(MESSAGE.channelData, [channel], bytes, -1),
    credit: (channel, total) => write(MESSAGE.channelCredit, [channel, total]),
    close: (channel, failure) =>
      write(MESSAGE.channelClose, [channel], failure && [failure.code, mendText(failure.message)]),
  },
};

const pair = (name: string, data: unknown): unknown[] => (data === undefined ? [name] : [name, data]);

/** `room`: how many levels `value` may have, with the list that is made here; none for bytes as they are. */
function write(kind: MessageKind, numbers: readonly number[], value?: unknown, room: number = DEPTH_MAX + 1): Outbound {
  const bytes = written(() => {
    writeVarint(kind);
    for (const number of numbers) writeVarint(number);
    if (room < 0) writeBytes(value as Uint8Array);
    else if (value !== undefined) writeValue(value, room);
  });
  return new Outbound(bytes, false);
}

function decode(bytes: Uint8Array, text: boolean): Incoming | WireFailure {
  if (text) return fail('ERR_PROTOCOL', 'text');
  beginReading(bytes);
  try {
    const message = read(readUint(1) as MessageKind);
    if (message.kind !== 0 && left()) throw MALFORMED;
    return message;
  } catch {
    return fail('ERR_MESSAGE_MALFORMED', `malformed (type ${bytes[0]})`);
  }
}

/** Reads what follows the type byte. */
function read(kind: MessageKind): Incoming | WireFailure {
  switch (kind) {
    case MESSAGE.event:
    case MESSAGE.volatile: {
      const channel = readVarint();
      const [name, data, meta] = readNamed(1, 3);
      return new Incoming(kind, channel, 0, name, data, meta === undefined ? meta : known(asMeta(meta)));
    }
    case MESSAGE.request:
      return named(kind, readVarint(), readNumber());
    case MESSAGE.response:
      return new Incoming(kind, readVarint(), readNumber(), '', left() ? readValue(DEPTH_MAX) : undefined);
    case MESSAGE.failure: {
      const channel = readVarint();
      const id = readVarint();
      const [code, message, data] = readNamed(2, 3);
      const failure = { message: asText(message) };
      return new Incoming(kind, channel, id, code, data === undefined ? failure : { ...failure, data });
    }
    case MESSAGE.channelOpen:
      return named(kind, readNumber(), 0);
    case MESSAGE.channelData:
      return new Incoming(kind, readNumber(), 0, '', new Uint8Array(take(left())));
    case MESSAGE.channelCredit:
      return new Incoming(kind, readNumber(), 0, '', readVarint());
    case MESSAGE.channelClose: {
      const channel = readNumber();
      const [code, message] = left() ? readNamed(2, 2) : [];
      return new Incoming(kind, channel, 0, '', code && { code, message: asText(message) });
    }
    case MESSAGE.ack:
      return new Incoming(kind, 0, 0, '', readCounts());
    case MESSAGE.ping:
    case MESSAGE.pong:
      return new Incoming(kind, 0, 0, '', readVarint());
    case MESSAGE.goaway:
      return new Incoming(kind, 0, 0, '', known(asGoaway(readValue(DEPTH_MAX))));
    case MESSAGE.welcome: {
      const version = readVarint();
      if (version !== PROTOCOL_VERSION) return fail('ERR_VERSION', `version ${version}`);
      return new Incoming(kind, 0, 0, '', known(asWelcome(readValue(DEPTH_MAX))));
    }
    default:
      return fail('ERR_PROTOCOL', `unknown type ${kind}`);
  }
}

function named(kind: MessageKind, channel: number, id: number): Incoming {
  const [name, data] = readNamed(1, 2);
  return new Incoming(kind, channel, id, name, data);
}

/** Requests and channels are numbered from 1: 0 stands for none, and for the socket itself. */
function readNumber(): number {
  return readVarint() || refuse();
}

/** A list that begins with a name: of `min` to `max` items. */
function readNamed(min: number, max: number): [name: string, data: unknown, more: unknown] {
  const list = readValue(DEPTH_MAX + 1);
  const fits = Array.isArray(list) && list.length >= min && list.length <= max && asText(list[0]);
  return fits ? (list as [string, unknown, unknown]) : refuse();
}

function readCounts(): ChannelCount[] {
  const counts: ChannelCount[] = [];
  while (left()) counts.push([readVarint(), readVarint()]);
  return counts;
}

function asText(text: unknown): string {
  return typeof text === 'string' ? text : refuse();
}

function known<T>(value: T | undefined): T {
  return value ?? refuse();
}

function fail(code: ErrorCode, message: string): WireFailure {
  return { kind: 0, code, message, id: 0 };
}

function refuse(): never {
  throw MALFORMED;
}
