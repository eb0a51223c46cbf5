import { type ErrorCode, Outbound } from '../../src/core/index.ts';
import { type Codec, type Hello, Incoming, MESSAGE, type MessageKind, PROTOCOL } from '../../src/wire/index.ts';

type Fields = readonly [kind: MessageKind, channel: number, id: number | string, name: string, data: unknown];

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * A dialect for tests of the session: each message a JSON array of its fields, easy to read when a run fails. With
 * `acknowledges` false it stands for the JSON dialect.
 */
export function testCodec(acknowledges = true): Codec {
  const make = (...fields: Fields): Outbound => new Outbound(encoder.encode(JSON.stringify(fields)), true);
  return {
    protocol: acknowledges ? PROTOCOL.hawser : PROTOCOL.json,
    acknowledges,
    greets: true,
    decode(bytes) {
      const fields = parse(bytes);
      if (fields === undefined) {
        const code: ErrorCode = 'ERR_MESSAGE_MALFORMED';
        return { kind: 0, code, message: 'no message', id: 0 };
      }
      const [kind, channel, id, name, data] = fields;
      return new Incoming(kind, channel, id, name, kind === MESSAGE.channelData ? toBytes(data) : (data ?? undefined));
    },
    event: (channel, name, data) => make(MESSAGE.event, channel, 0, name, data),
    volatile: (channel, name, data) => make(MESSAGE.volatile, channel, 0, name, data),
    request: (channel, id, name, data) => make(MESSAGE.request, channel, id, name, data),
    response: (channel, id, name, data) => make(MESSAGE.response, channel, id, name, data),
    failure: (channel, id, code, data) => make(MESSAGE.failure, channel, id ?? 0, code, data),
    hello: (hello) => make(MESSAGE.hello, 0, 0, '', { ...hello, resume: plainResume(hello.resume) }),
    welcome: ({ ticket, ...rest }) =>
      make(MESSAGE.welcome, 0, 0, '', { ...rest, ...(ticket && { ticket: [...ticket] }) }),
    ack: (counts) => make(MESSAGE.ack, 0, 0, '', counts),
    ping: (stamp) => make(MESSAGE.ping, 0, 0, '', stamp),
    pong: (stamp) => make(MESSAGE.pong, 0, 0, '', stamp),
    goaway: (goaway) => make(MESSAGE.goaway, 0, 0, '', goaway),
    ...(acknowledges && {
      channels: {
        open: (channel, name, data) => make(MESSAGE.channelOpen, channel, 0, name, data),
        data: (channel, bytes) => make(MESSAGE.channelData, channel, 0, '', [...bytes]),
        credit: (channel, total) => make(MESSAGE.channelCredit, channel, 0, '', total),
        close: (channel, failure) => make(MESSAGE.channelClose, channel, 0, '', failure ?? null),
      },
    }),
  };
}

function toBytes(data: unknown): Uint8Array {
  return Uint8Array.from(data as number[]);
}

function plainResume(resume: Hello['resume']): unknown {
  return resume && { ...resume, ticket: [...resume.ticket] };
}

function parse(bytes: Uint8Array): Fields | undefined {
  try {
    const fields: unknown = JSON.parse(decoder.decode(bytes));
    return Array.isArray(fields) && fields.length >= 4 ? (fields as unknown as Fields) : undefined;
  } catch {
    return undefined;
  }
}
