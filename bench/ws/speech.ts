import { pattern } from '../udp/tally.ts';
import {
  type Framing,
  maskedFrame,
  OPCODE,
  PrefixFrames,
  plainFrame,
  prefixFrame,
  VarintFrames,
  varint,
  varintFrame,
  WebSocketFrames,
} from './framing.ts';
import { frameStep, type Step, upgrade } from './opening.ts';
import type { Target, Task } from './orders.ts';
import type { PeerName } from './peers/index.ts';
import { words } from './words.ts';

/** What the frames of a server are to the load generator. */
export const KIND = { answer: 0, ignored: 1, ping: 2 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** One message of the load and the answer to it, as they are on the wire. */
export interface Exchange {
  readonly say: Buffer;
  readonly hear: Buffer;
}

/** How a peer is spoken with. */
export interface Speech {
  readonly framing: () => Framing;
  readonly steps: readonly Step[];
  /** What is said in turns: all are of one length, and so are the answers. */
  readonly exchanges: readonly Exchange[];
  /** @param first The first byte of the frame, `payload` that of its payload. */
  kindOf(first: number, payload: number): Kind;
  /** What answers a sign of life, and says how many messages came. Undefined where nobody wants to hear that. */
  acknowledge?(count: number): Buffer;
  readonly pong?: Buffer;
  /** Answers may be of other lengths than the first exchange's. */
  readonly answersVary?: boolean;
  /** What ends a connection politely. */
  readonly goodbye?: Buffer;
}

/** How many messages may wait for an acknowledgement; Hawser's own clients wait as long. */
export const ACKNOWLEDGE_EACH = 64;

/** Requests in flight have numbers of as many digits in every dialect. */
const FIRST_ID = 10;
const ROOMS = 10;
const IN_TURNS = 32;

export function speechOf(peer: PeerName, task: Task, target: Target): Speech {
  const host = 'port' in target ? `127.0.0.1:${target.port}` : '';
  switch (peer) {
    case 'hawser':
      return hawserSpeech(task, host);
    case 'hawser-tcp':
    case 'hawser-ipc':
      return hawserStreamSpeech(task);
    case 'hawser-json':
      return jsonSpeech(task, host);
    case 'socket.io':
      return socketIoSpeech(task, host);
    case 'prefix-tcp':
    case 'prefix-ipc':
      return prefixSpeech(task);
    default:
      return plainSpeech(peer, task, host);
  }
}

const NOTHING = Buffer.alloc(0);
/** Code 1000. */
const GOODBYE = maskedFrame(OPCODE.close, Uint8Array.of(0x03, 0xe8));
const isAnswer = (first: number): Kind => {
  const opcode = first & 0x0f;
  if (opcode === OPCODE.close) throw new Error('the server closed a connection');
  return opcode === OPCODE.ping ? KIND.ping : KIND.answer;
};

/** Binary messages and nothing else. */
function plainSpeech(peer: PeerName, { kind, size }: Task, host: string): Speech {
  const say = maskedFrame(OPCODE.binary, pattern(kind === 'broadcast' ? 1 : size));
  // Bare sockets give back what came, in its mask.
  const hear = peer === 'net' && kind === 'echo' ? say : plainFrame(OPCODE.binary, pattern(size));
  return {
    framing: () => new WebSocketFrames(),
    steps: [upgrade(host, '/')],
    exchanges: repeated(() => ({ say, hear }), inTurns(size)),
    kindOf: isAnswer,
    pong: maskedFrame(0x0a, NOTHING),
    ...(peer === 'net' ? {} : { goodbye: GOODBYE }),
  };
}

function prefixSpeech({ size }: Task): Speech {
  const frame = prefixFrame(pattern(size));
  return {
    framing: () => new PrefixFrames(),
    steps: [],
    exchanges: repeated(() => ({ say: frame, hear: frame }), inTurns(size)),
    kindOf: () => KIND.answer,
  };
}

/** Long messages are not made many times over. */
const inTurns = (size: number): number => (size > 4096 ? 1 : IN_TURNS);

function repeated<Item>(make: (i: number) => Item, count: number): Item[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** What a dialect has for the questions and answers of the workloads. */
interface Dialect {
  readonly say: (message: Message) => Buffer;
  readonly hear: (message: Message) => Buffer;
}

type Message =
  | { readonly kind: 'event'; readonly name: string; readonly data: string; readonly room?: string }
  | { readonly kind: 'request'; readonly name: string; readonly id: number; readonly data: string };

function exchangesOf({ kind, size }: Task, { say, hear }: Dialect): Exchange[] {
  const data = words(size);
  const both = (message: Message): Exchange => ({ say: say(message), hear: hear(message) });
  switch (kind) {
    case 'echo':
      return repeated(() => both({ kind: 'event', name: 'echo', data }), inTurns(size));
    case 'broadcast':
      return [
        {
          say: say({ kind: 'event', name: 'go', data: '' }),
          hear: hear({ kind: 'event', name: 'news', data, room: 'all' }),
        },
      ];
    case 'request':
      return repeated((i) => both({ kind: 'request', name: 'echo', id: FIRST_ID + i, data }), IN_TURNS);
    default:
      // All rooms are joined in turn, then all are left.
      return repeated((i) => {
        const name = i < ROOMS ? 'join' : 'part';
        return both({ kind: 'request', name, id: FIRST_ID + i, data: `room-${i % ROOMS}` });
      }, 2 * ROOMS);
  }
}

/** The protocol of Engine.IO 4 and Socket.IO 5 on WebSocket, in text. */
function socketIoSpeech(task: Task, host: string): Speech {
  const body = (message: Message): string =>
    message.kind === 'event'
      ? `42${JSON.stringify([message.name, message.data])}`
      : `42${message.id}${JSON.stringify([message.name, message.data])}`;
  const answer = (message: Message): string =>
    message.kind === 'event' ? body(message) : `43${message.id}${JSON.stringify([message.data])}`;
  const said = (message: string): Buffer => maskedFrame(OPCODE.text, Buffer.from(message));
  const framing = new WebSocketFrames();
  const upgraded = upgrade(host, '/socket.io/?EIO=4&transport=websocket');
  return {
    framing: () => new WebSocketFrames(),
    steps: [
      upgraded,
      frameStep(framing, NOTHING, Buffer.from('0{')),
      frameStep(framing, said('40'), Buffer.from('40{')),
    ],
    exchanges: exchangesOf(task, {
      say: (message) => said(body(message)),
      hear: (message) => plainFrame(OPCODE.text, Buffer.from(answer(message))),
    }),
    kindOf: (first, payload) => (isAnswer(first) === KIND.answer && payload === 0x34 ? KIND.answer : KIND.ping),
    pong: said('3'),
    goodbye: GOODBYE,
  };
}

/** The dialect hawser.v1.json. */
function jsonSpeech(task: Task, host: string): Speech {
  const body = ({ name, data, ...more }: Message): Buffer => {
    const id = 'id' in more ? { id: more.id } : {};
    const room = 'room' in more ? { room: more.room } : {};
    return Buffer.from(JSON.stringify({ event: name, ...id, ...room, data }));
  };
  return {
    framing: () => new WebSocketFrames(),
    steps: [
      upgrade(host, '/', 'hawser.v1.json'),
      frameStep(
        new WebSocketFrames(),
        maskedFrame(OPCODE.text, Buffer.from('{"event":"hello"}')),
        Buffer.from('{"event":"welcome"'),
      ),
    ],
    exchanges: exchangesOf(task, {
      say: (message) => maskedFrame(OPCODE.text, body(message)),
      hear: (message) => plainFrame(OPCODE.text, body(message)),
    }),
    kindOf: isAnswer,
    pong: maskedFrame(0x0a, NOTHING),
    goodbye: GOODBYE,
  };
}

const TYPE = { hello: 1, welcome: 2, event: 3, request: 5, response: 6, ack: 12, ping: 13 } as const;
const HELLO = Buffer.from([TYPE.hello, 1, 0x80]);
const MAGIC = Buffer.from('89485753310d0a1a', 'hex');

/** MessagePack's string. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 32) return Buffer.concat([Buffer.from([0xa0 | bytes.length]), bytes]);
  if (bytes.length < 256) return Buffer.concat([Buffer.from([0xd9, bytes.length]), bytes]);
  throw new Error('no longer strings are needed here');
}

/** The messages of hawser.v1, without a framing. */
const HAWSER = {
  say: (message: Message): Buffer => {
    const { name, data } = message;
    if (message.kind === 'event') return Buffer.concat([Buffer.from([TYPE.event, 0, 0x92]), text(name), text(data)]);
    return Buffer.concat([Buffer.from([TYPE.request, 0, message.id, 0x92]), text(name), text(data)]);
  },
  hear: (message: Message): Buffer => {
    if (message.kind === 'request') {
      return Buffer.concat([Buffer.from([TYPE.response, 0, message.id]), text(message.data)]);
    }
    if (message.room === undefined) return HAWSER.say(message);
    const parts = [text(message.name), text(message.data), Buffer.from([0x81]), text('room'), text(message.room)];
    return Buffer.concat([Buffer.from([TYPE.event, 0, 0x93]), ...parts]);
  },
};

const acknowledgement = (count: number): Buffer => Buffer.concat([Buffer.from([TYPE.ack, 0]), varint(count)]);

function kindOfMessage(type: number): Kind {
  if (type === TYPE.event || type === TYPE.response) return KIND.answer;
  if (type === TYPE.ack) return KIND.ignored;
  if (type === TYPE.ping) return KIND.ping;
  throw new Error(`the server sent a message of type ${type}`);
}

function hawserSpeech(task: Task, host: string): Speech {
  const said = (message: Buffer): Buffer => maskedFrame(OPCODE.binary, message);
  return {
    framing: () => new WebSocketFrames(),
    steps: [
      upgrade(host, '/', 'hawser.v1'),
      frameStep(new WebSocketFrames(), said(HELLO), Buffer.from([TYPE.welcome])),
    ],
    exchanges: exchangesOf(task, {
      say: (message) => said(HAWSER.say(message)),
      hear: (message) => plainFrame(OPCODE.binary, HAWSER.hear(message)),
    }),
    kindOf: (first, payload) => (isAnswer(first) === KIND.ping ? KIND.ignored : kindOfMessage(payload)),
    acknowledge: (count) => said(acknowledgement(count)),
    goodbye: GOODBYE,
  };
}

/** Hawser's dialect on a byte stream. */
function hawserStreamSpeech(task: Task): Speech {
  const magic: Step = {
    say: () => Buffer.concat([MAGIC, varintFrame(HELLO)]),
    hear: (bytes) => {
      if (bytes.length < MAGIC.length) return 0;
      if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('no magic came');
      return MAGIC.length;
    },
  };
  return {
    framing: () => new VarintFrames(),
    steps: [magic, frameStep(new VarintFrames(), NOTHING, Buffer.from([TYPE.welcome]))],
    exchanges: exchangesOf(task, {
      say: (message) => varintFrame(HAWSER.say(message)),
      hear: (message) => varintFrame(HAWSER.hear(message)),
    }),
    kindOf: (_first, payload) => kindOfMessage(payload),
    acknowledge: (count) => varintFrame(acknowledgement(count)),
  };
}
