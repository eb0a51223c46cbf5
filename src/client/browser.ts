/// <reference lib="esnext.disposable" preserve="true" />
import { browserWorld, watchPage } from '../runtime/index.ts';
import type { Transport } from '../transport/index.ts';
import { browserWebSocketTransport } from '../transports/websocket/browser.ts';
import { pageCodec } from '../wire/index.ts';
import { type Connect, createConnect } from './connect.ts';

/** Requests instead of a WebSocket: few pages ever need them, so they are a file of their own that is loaded when they are. */
const requests: Transport = {
  schemes: ['http', 'https'],
  dial: async (...call) => (await import('../transports/http/fallback/browser.ts')).dial(...call),
};

/** Connects to a server over WebSocket. The same as in Node, as far as a browser can. */
export const connect: Connect = createConnect({
  world: browserWorld(),
  codec: pageCodec,
  transports: [browserWebSocketTransport, requests],
  watch: watchPage,
});

export type {
  AnyListener,
  Channel,
  ChannelEvents,
  ChannelOptions,
  EventListener,
  EventStream,
  EventsOptions,
  MessageInfo,
  RequestHandler,
  SendOptions,
} from '../channel/index.ts';
export {
  type AnyApi,
  type ApiShape,
  type CloseReason,
  type Direction,
  type ErrorCode,
  HawserError,
  type Limits,
  type Overflow,
  type Times,
  type WaitOptions,
} from '../core/index.ts';
export type { Traffic } from '../transport/index.ts';
export type { From, Goaway, Member } from '../wire/index.ts';
export type { Connect } from './connect.ts';
export type { ConnectOptions, DialTarget, ReconnectOptions, Targets } from './options.ts';
export type {
  ClientSocket,
  ClientSocketEvents,
  RoomGap,
  RoomPosition,
  RoomRecovered,
  UnacknowledgedEvent,
  Up,
} from './socket.ts';
