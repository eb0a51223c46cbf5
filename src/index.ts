/// <reference lib="esnext.disposable" preserve="true" />
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
} from './channel/index.ts';
export {
  type AnyApi,
  type ApiShape,
  CLOSE,
  type CloseReason,
  type Direction,
  type ErrorCode,
  HawserError,
  type Limits,
  mayComeBack,
  type Overflow,
  type ServerLimits,
  type ServerTimes,
  type Times,
  type WaitOptions,
  type WorkerChannel,
} from './core/index.ts';
export type { Engine, EngineHost, EngineMessage, JoinedTimes, NodeInfo, Position, Target } from './engine/index.ts';
export { MemoryEngine } from './engine/index.ts';
export {
  type ClusterEngineOptions,
  clusterEngine,
  startWorkers,
  type ThisWorker,
  thisWorker,
  type WorkerEnding,
  type WorkerEvent,
  type WorkerInfo,
  type Workers,
  type WorkersOptions,
} from './engines/cluster/index.ts';
export type {
  Answers,
  Asked,
  Broadcast,
  FindOptions,
  Found,
  FoundSocket,
  HistoryOptions,
  Joined,
  JoinOptions,
  LossReason,
  Params,
  ParamsOf,
  Placed,
  Published,
  PublishOptions,
  Reached,
  RoomsAndWait,
  Unreached,
} from './room/index.ts';
export { matchesAny } from './room/index.ts';
export * from './server/index.ts';
export { type ByteStreams, duplexOf, type RawSocket } from './streams/index.ts';
export type {
  CompressionOptions,
  ListenAddress,
  Listener,
  ListenerStats,
  NetListenOptions,
  PeerCertificate,
  TlsDialOptions,
  TlsListenOptions,
  TlsOptions,
  TlsVersion,
  Traffic,
} from './transport/index.ts';
export type { ThreadEnd } from './transports/worker/index.ts';
export type { Dialect, From, Member, PlainFraming, PlainMessage } from './wire/index.ts';
