import {
  type ErrorCode,
  HawserError,
  HEADROOM,
  Outbound,
  readVarint,
  varintLength,
  varintLengthAt,
  writeVarint,
} from '../core/index.ts';
import type { Body } from './body.ts';
import {
  type ChannelCount,
  type Codec,
  type FailureData,
  Incoming,
  MESSAGE,
  type MessageKind,
  type Meta,
  PROTOCOL,
  PROTOCOL_VERSION,
  type RequestId,
  type WireFailure,
} from './messages.ts';
import { DEPTH_MAX, scan } from './scan.ts';
import { asGoaway, asHello, asMeta, asWelcome } from './shapes.ts';

/** The Hawser dialect, version 1: a type byte, varint fields and a MessagePack body (docs/PROTOCOL.md). */
export function createHawserCodec(body: Body): Codec {
  return new HawserCodec(body);
}

class HawserCodec implements Codec {
  readonly protocol: string = PROTOCOL.hawser;
  readonly acknowledges = true;
  readonly #body: Body;

  constructor(body: Body) {
    this.#body = body;
  }

  decode(bytes: Uint8Array, text: boolean): Incoming | WireFailure {
    if (text) return wrong('ERR_PROTOCOL', 'text on a binary protocol');
    const kind = bytes[0] as MessageKind | undefined;
    switch (kind) {
      case MESSAGE.event:
      case MESSAGE.volatile:
        return this.#decodeNamed(bytes, kind, false);
      case MESSAGE.request:
      case MESSAGE.failure:
        return this.#decodeNamed(bytes, kind, true);
      case MESSAGE.response:
        return this.#decodeResponse(bytes);
      case MESSAGE.ack:
        return decodeAck(bytes);
      case MESSAGE.ping:
      case MESSAGE.pong: {
        const stamp = readVarint(bytes, 1);
        if (stamp < 0 || 1 + varintLengthAt(bytes[1] ?? 0) !== bytes.length) return malformed('a broken stamp');
        return new Incoming(kind, 0, 0, '', stamp);
      }
      case MESSAGE.hello:
      case MESSAGE.welcome: {
        const version = readVarint(bytes, 1);
        if (version < 0) return malformed('a broken version');
        if (version !== PROTOCOL_VERSION)
          return wrong('ERR_VERSION', `version ${version}; ${PROTOCOL_VERSION} is spoken here`);
        return this.#decodeMap(
          bytes,
          kind,
          1 + varintLengthAt(bytes[1] ?? 0),
          kind === MESSAGE.hello ? asHello : asWelcome,
        );
      }
      case MESSAGE.goaway:
        return this.#decodeMap(bytes, kind, 1, asGoaway);
      default:
        return wrong('ERR_PROTOCOL', `message type ${kind ?? 'missing'} is unknown`);
    }
  }

  event(channel: number, name: string, data: unknown, meta?: Meta): Outbound {
    return this.#encode(MESSAGE.event, channel, undefined, named(name, data, meta));
  }

  volatile(channel: number, name: string, data: unknown, meta?: Meta): Outbound {
    return this.#encode(MESSAGE.volatile, channel, undefined, named(name, data, meta));
  }

  request(channel: number, id: number, name: string, data: unknown): Outbound {
    return this.#encode(MESSAGE.request, channel, id, named(name, data, undefined));
  }

  response(channel: number, id: RequestId, _name: string, data: unknown): Outbound {
    if (data === undefined) return header(MESSAGE.response, channel, Number(id));
    return this.#encode(MESSAGE.response, channel, Number(id), data);
  }

  failure(channel: number, id: RequestId | undefined, code: string, { message, data }: FailureData): Outbound {
    const fields = data === undefined ? [code, message] : [code, message, data];
    return this.#encode(MESSAGE.failure, channel, Number(id ?? 0), fields);
  }

  hello(hello: object): Outbound {
    return this.#encodeMap(MESSAGE.hello, hello, true);
  }

  welcome(welcome: object): Outbound {
    return this.#encodeMap(MESSAGE.welcome, welcome, true);
  }

  ack(counts: readonly ChannelCount[]): Outbound {
    let length = 1;
    for (const [channel, count] of counts) length += varintLength(channel) + varintLength(count);
    const bytes = allocate(length);
    bytes[0] = MESSAGE.ack;
    let at = 1;
    for (const [channel, count] of counts) at = writeVarint(bytes, writeVarint(bytes, at, channel), count);
    return new Outbound(bytes, false, HEADROOM);
  }

  ping(stamp: number): Outbound {
    return stamped(MESSAGE.ping, stamp);
  }

  pong(stamp: number): Outbound {
    return stamped(MESSAGE.pong, stamp);
  }

  goaway(goaway: object): Outbound {
    return this.#encodeMap(MESSAGE.goaway, goaway, false);
  }

  /** Type, channel, id where there is one, then the body: all written into one buffer that has room for a frame's header. */
  #encode(kind: MessageKind, channel: number, id: number | undefined, value: unknown): Outbound {
    const prefix = 1 + varintLength(channel) + (id === undefined ? 0 : varintLength(id));
    const buffer = this.#encodeBody(value, HEADROOM + prefix);
    buffer[HEADROOM] = kind;
    const at = writeVarint(buffer, HEADROOM + 1, channel);
    if (id !== undefined) writeVarint(buffer, at, id);
    return new Outbound(buffer.subarray(HEADROOM), false, HEADROOM);
  }

  #encodeMap(kind: MessageKind, value: object, versioned: boolean): Outbound {
    const buffer = this.#encodeBody(value, HEADROOM + (versioned ? 2 : 1));
    buffer[HEADROOM] = kind;
    if (versioned) buffer[HEADROOM + 1] = PROTOCOL_VERSION;
    return new Outbound(buffer.subarray(HEADROOM), false, HEADROOM);
  }

  #encodeBody(value: unknown, reserved: number): Uint8Array {
    let buffer: Uint8Array;
    try {
      buffer = this.#body.encode(value, reserved);
    } catch (cause) {
      throw new HawserError('ERR_UNENCODABLE', 'the data has something that MessagePack can not say', { cause });
    }
    // What the peer would refuse is refused here. A value of few bytes can't be deep.
    if (buffer.length - reserved > DEPTH_MAX) {
      const problem = scan(buffer, reserved, buffer.length, true);
      if (problem !== undefined) throw new HawserError('ERR_UNENCODABLE', `the data can not be sent: ${problem}`);
    }
    return buffer;
  }

  /** An event, a request or a failure: an array of a name (or code), then what belongs to it. */
  #decodeNamed(bytes: Uint8Array, kind: MessageKind, numbered: boolean): Incoming | WireFailure {
    const channel = readVarint(bytes, 1);
    let at = 1 + varintLengthAt(bytes[1] ?? 0);
    let id = 0;
    if (numbered) {
      id = readVarint(bytes, at);
      at += varintLengthAt(bytes[at] ?? 0);
    }
    if (channel < 0 || id < 0) return malformed('a broken number');
    const type = bytes[at] ?? 0;
    if (type < 0x91 || type > 0x93) return malformed('not an array of 1 to 3');
    const problem = scan(bytes, at, bytes.length);
    if (problem !== undefined) return malformed(problem);
    const fields = this.#body.decode(bytes, at, bytes.length) as unknown[];
    const name = fields[0];
    if (typeof name !== 'string') return malformed('a name that is no string');
    if (kind === MESSAGE.failure) {
      if (typeof fields[1] !== 'string') return malformed('a failure without a message');
      return new Incoming(kind, channel, id, name, { message: fields[1], data: fields[2] });
    }
    if (fields.length < 3) return new Incoming(kind, channel, id, name, fields[1]);
    const meta = numbered ? undefined : asMeta(fields[2]);
    if (meta === undefined) return malformed('a broken meta map');
    return new Incoming(kind, channel, id, name, fields[1] ?? undefined, meta);
  }

  #decodeResponse(bytes: Uint8Array): Incoming | WireFailure {
    const channel = readVarint(bytes, 1);
    const idAt = 1 + varintLengthAt(bytes[1] ?? 0);
    const id = readVarint(bytes, idAt);
    const at = idAt + varintLengthAt(bytes[idAt] ?? 0);
    if (channel < 0 || id < 0) return malformed('a broken number');
    if (at === bytes.length) return new Incoming(MESSAGE.response, channel, id, '', undefined);
    const problem = scan(bytes, at, bytes.length);
    if (problem !== undefined) return malformed(problem);
    return new Incoming(MESSAGE.response, channel, id, '', this.#body.decode(bytes, at, bytes.length));
  }

  #decodeMap(
    bytes: Uint8Array,
    kind: MessageKind,
    at: number,
    shape: (value: unknown) => object | undefined,
  ): Incoming | WireFailure {
    const problem = scan(bytes, at, bytes.length);
    if (problem !== undefined) return malformed(problem);
    const value = shape(this.#body.decode(bytes, at, bytes.length));
    return value === undefined ? malformed('a field of the wrong type') : new Incoming(kind, 0, 0, '', value);
  }
}

function decodeAck(bytes: Uint8Array): Incoming | WireFailure {
  const counts: ChannelCount[] = [];
  let at = 1;
  while (at < bytes.length) {
    const channel = readVarint(bytes, at);
    at += varintLengthAt(bytes[at] ?? 0);
    const count = readVarint(bytes, at);
    at += varintLengthAt(bytes[at] ?? 0);
    if (channel < 0 || count < 0) return malformed('a broken count');
    counts.push([channel, count]);
  }
  return new Incoming(MESSAGE.ack, 0, 0, '', counts);
}

/** Absent data is undefined; meta needs the place before it, where nil then stands for undefined. */
function named(name: string, data: unknown, meta: Meta | undefined): unknown[] {
  if (meta !== undefined) return [name, data ?? null, meta];
  return data === undefined ? [name] : [name, data];
}

function header(kind: MessageKind, channel: number, id: number): Outbound {
  const bytes = allocate(1 + varintLength(channel) + varintLength(id));
  bytes[0] = kind;
  writeVarint(bytes, writeVarint(bytes, 1, channel), id);
  return new Outbound(bytes, false, HEADROOM);
}

function stamped(kind: MessageKind, stamp: number): Outbound {
  const bytes = allocate(1 + varintLength(stamp));
  bytes[0] = kind;
  writeVarint(bytes, 1, stamp);
  return new Outbound(bytes, false, HEADROOM);
}

function allocate(length: number): Uint8Array {
  return new Uint8Array(HEADROOM + length).subarray(HEADROOM);
}

function malformed(message: string): WireFailure {
  return wrong('ERR_MESSAGE_MALFORMED', message);
}

function wrong(code: ErrorCode, message: string): WireFailure {
  return { kind: 0, code, message, id: 0 };
}
