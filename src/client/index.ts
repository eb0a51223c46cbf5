/// <reference lib="esnext.disposable" preserve="true" />
import { realWorld } from '../runtime/index.ts';
import type { Transport } from '../transport/index.ts';
import { httpTransport } from '../transports/http/index.ts';
import { inprocTransport } from '../transports/inproc/index.ts';
import { lanTransport } from '../transports/lan/index.ts';
import { ipcTransport, tcpTransport, tlsTransport } from '../transports/net/index.ts';
import { quicTransport } from '../transports/quic/index.ts';
import { udpackTransport } from '../transports/udpack/index.ts';
import { websocketTransport } from '../transports/websocket/index.ts';
import { workerTransport } from '../transports/worker/index.ts';
import { clientCodec } from '../wire/index.ts';
import { type Connect, createConnect } from './connect.ts';
import { plain } from './plain.ts';

const TRANSPORTS: readonly Transport[] = [
  websocketTransport,
  httpTransport,
  tcpTransport,
  tlsTransport,
  ipcTransport,
  workerTransport,
  inprocTransport,
  udpackTransport,
  quicTransport,
];

/**
 * Connects to a server: `await connect(['tcp://h:3001', 'ws://h:3000'], { token })`. Several URLs race, the first good link wins; later
 * links of the same socket may use another.
 * @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED and whatever else the server refuses with, ERR_TIMEOUT, ERR_ABORTED, ERR_URL.
 */
export const connect: Connect = createConnect({
  plain,
  world: realWorld(),
  codec: clientCodec,
  transports: [...TRANSPORTS, lanTransport(TRANSPORTS)],
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
export { type ByteStreams, duplexOf, type RawSocket } from '../streams/index.ts';
export type {
  CompressionOptions,
  LanDialOptions,
  NetDialOptions,
  PeerCertificate,
  TlsDialOptions,
  TlsVersion,
  UdpackLinkOptions,
} from '../transport/index.ts';
export type { ThreadEnd } from '../transports/worker/index.ts';
export type { Dialect, From, Goaway, Member, PlainFraming, PlainMessage } from '../wire/index.ts';
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
