import { type ErrorCode, HEADROOM, Outbound, varintLength, writeVarint } from '../core/index.ts';
import { Reader } from './messagepack-reader.ts';
import { Writer } from './messagepack-writer.ts';
import {
  type ChannelCount,
  type ChannelFailure,
  type Codec,
  type FailureData,
  Incoming,
  MESSAGE,
  type MessageKind,
  type Meta,
  PROTOCOL,
  PROTOCOL_VERSION,
  type WireFailure,
} from './messages.ts';
import { MALFORMED, mendText } from './rules.ts';
import { asGoaway, asMeta, asWelcome } from './shapes.ts';

/**
 * The dialect `hawser.v1`: a type byte, varints, MessagePack. docs/PROTOCOL.md has it to the byte. A client hears no HELLO.
 * A page has `page-codec.ts` instead: what changes here changes there (docs/ARCHITECTURE.md says how).
 */
export const clientCodec: Codec = {
  protocol: PROTOCOL.hawser,
  acknowledges: true,
  greets: true,
  decode: (bytes, text, given) => decodeBy(read, bytes, text, given),
  event: (channel, name, data, meta) => named(MESSAGE.event, channel, undefined, name, data, meta),
  volatile: (channel, name, data, meta) => named(MESSAGE.volatile, channel, undefined, name, data, meta),
  request: (channel, id, name, data) => named(MESSAGE.request, channel, id, name, data),
  response: (channel, id, _name, data) =>
    write(MESSAGE.response, (to) => {
      to.varint(channel);
      to.varint(Number(id));
      if (data !== undefined) to.value(data);
    }),
  failure: (channel, id, code, { message, data }) =>
    write(MESSAGE.failure, (to) => {
      to.varint(channel);
      to.varint(Number(id ?? 0));
      to.array(data === undefined ? 2 : 3);
      to.text(code);
      to.text(mendText(message));
      if (data !== undefined) to.value(data);
    }),
  hello: (hello) => versioned(MESSAGE.hello, hello),
  welcome: (welcome) => versioned(MESSAGE.welcome, welcome),
  ack: (counts) =>
    write(MESSAGE.ack, (to) => {
      for (const [channel, count] of counts) {
        to.varint(channel);
        to.varint(count);
      }
    }),
  ping: (stamp) => write(MESSAGE.ping, (to) => to.varint(stamp)),
  pong: (stamp) => write(MESSAGE.pong, (to) => to.varint(stamp)),
  goaway: (goaway) => write(MESSAGE.goaway, (to) => to.value(goaway)),
  channels: {
    open: (channel, name, data) => named(MESSAGE.channelOpen, channel, undefined, name, data),
    data: writeData,
    credit: (channel, total) =>
      write(MESSAGE.channelCredit, (to) => {
        to.varint(channel);
        to.varint(total);
      }),
    close: (channel, failure) =>
      write(MESSAGE.channelClose, (to) => {
        to.varint(channel);
        if (!failure) return;
        to.array(2);
        to.text(failure.code);
        to.text(mendText(failure.message));
      }),
  },
};

/** Bulk: in memory of exactly its size, not in the writer's slab. */
function writeData(channel: number, bytes: Uint8Array): Outbound {
  const buffer = new Uint8Array(HEADROOM + 1 + varintLength(channel) + bytes.length);
  buffer[HEADROOM] = MESSAGE.channelData;
  buffer.set(bytes, writeVarint(buffer, HEADROOM + 1, channel));
  return new Outbound(buffer.subarray(HEADROOM), false, HEADROOM);
}

const reader = new Reader();
let idle: Writer | undefined = new Writer();

/** A getter in somebody's data may send a message of its own while this one is written: that one gets another writer. */
function write(kind: MessageKind, fill: (to: Writer) => void): Outbound {
  const writer = idle ?? new Writer();
  idle = undefined;
  try {
    writer.start(kind);
    fill(writer);
    return writer.finish();
  } catch (error) {
    writer.cancel();
    throw error;
  } finally {
    idle = writer;
  }
}

function named(
  kind: MessageKind,
  channel: number,
  id: number | undefined,
  name: string,
  data: unknown,
  meta?: Meta,
): Outbound {
  return write(kind, (to) => {
    to.varint(channel);
    if (id !== undefined) to.varint(id);
    to.array(meta ? 3 : data !== undefined ? 2 : 1);
    to.text(name);
    if (data !== undefined || meta) to.value(data);
    if (meta) to.value(meta);
  });
}

function versioned(kind: MessageKind, fields: { readonly version: number }): Outbound {
  return write(kind, (to) => {
    const { version, ...rest } = fields;
    to.varint(version);
    to.value(rest);
  });
}

/** Never throws: what `read` throws is a failure, and so are bytes that it leaves. */
export function decodeBy(
  readKind: (kind: MessageKind) => Incoming | WireFailure,
  bytes: Uint8Array,
  text: boolean,
  given = false,
): Incoming | WireFailure {
  if (text) return fail('ERR_PROTOCOL', 'text');
  const kind = bytes[0];
  if (kind === undefined) return fail('ERR_MESSAGE_MALFORMED', 'an empty message');
  reader.start(bytes, 1, given);
  try {
    const message = readKind(kind as MessageKind);
    if (message.kind !== 0) reader.finish();
    return message;
  } catch {
    return fail('ERR_MESSAGE_MALFORMED', `malformed (type ${kind})`);
  }
}

/** Reads what follows the type byte. */
export function read(kind: MessageKind): Incoming | WireFailure {
  switch (kind) {
    case MESSAGE.event:
    case MESSAGE.volatile: {
      const channel = reader.varint();
      const items = reader.array(1, 3);
      const name = reader.name();
      const data = items > 1 ? reader.value() : undefined;
      return new Incoming(kind, channel, 0, name, data, items > 2 ? (asMeta(reader.value()) ?? refuse()) : undefined);
    }
    case MESSAGE.request: {
      const channel = reader.varint();
      const id = requestId();
      const items = reader.array(1, 2);
      return new Incoming(kind, channel, id, reader.name(), items > 1 ? reader.value() : undefined);
    }
    case MESSAGE.response: {
      const channel = reader.varint();
      return new Incoming(kind, channel, requestId(), '', reader.done ? undefined : reader.value());
    }
    case MESSAGE.failure:
      return readFailure();
    case MESSAGE.channelOpen: {
      const channel = channelNumber();
      const items = reader.array(1, 2);
      return new Incoming(kind, channel, 0, reader.name(), items > 1 ? reader.value() : undefined);
    }
    case MESSAGE.channelData:
      return new Incoming(kind, channelNumber(), 0, '', reader.rest());
    case MESSAGE.channelCredit:
      return new Incoming(kind, channelNumber(), 0, '', reader.varint());
    case MESSAGE.channelClose:
      return new Incoming(kind, channelNumber(), 0, '', reader.done ? undefined : readReset());
    case MESSAGE.ack:
      return new Incoming(kind, 0, 0, '', readCounts());
    case MESSAGE.ping:
    case MESSAGE.pong:
      return new Incoming(kind, 0, 0, '', reader.varint());
    case MESSAGE.goaway:
      return new Incoming(kind, 0, 0, '', asGoaway(reader.value()) ?? refuse());
    case MESSAGE.welcome:
      return readVersioned(kind, asWelcome);
    default:
      return fail('ERR_PROTOCOL', `unknown type ${kind}`);
  }
}

/** A message that begins with the version: HELLO and WELCOME. */
export function readVersioned(kind: MessageKind, as: (fields: unknown) => unknown): Incoming | WireFailure {
  const version = reader.varint();
  if (version !== PROTOCOL_VERSION) return fail('ERR_VERSION', `version ${version} is not spoken`);
  return new Incoming(kind, 0, 0, '', as(reader.value()) ?? refuse());
}

/** Requests are numbered from 1: 0 stands for none. */
function requestId(): number {
  return reader.varint() || refuse();
}

/** Channels are numbered from 1: 0 is the socket itself, which is not opened. */
const channelNumber = requestId;

function readReset(): ChannelFailure {
  reader.array(2, 2);
  return { code: reader.name(), message: readText() };
}

function readText(): string {
  const text = reader.value();
  if (typeof text !== 'string') throw MALFORMED;
  return text;
}

function readFailure(): Incoming {
  const channel = reader.varint();
  const id = reader.varint();
  const items = reader.array(2, 3);
  const code = reader.name();
  const message = readText();
  const data: FailureData = items > 2 ? { message, data: reader.value() } : { message };
  return new Incoming(MESSAGE.failure, channel, id, code, data);
}

function readCounts(): ChannelCount[] {
  const counts: ChannelCount[] = [];
  while (!reader.done) counts.push([reader.varint(), reader.varint()]);
  return counts;
}

function fail(code: ErrorCode, message: string): WireFailure {
  return { kind: 0, code, message, id: 0 };
}

function refuse(): never {
  throw MALFORMED;
}
