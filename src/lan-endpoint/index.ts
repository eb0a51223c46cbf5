export type {
  EndReason,
  GapReason,
  HeardPublisher,
  LanFault,
  LanLimits,
  LanTimes,
  PublisherStats,
  SubscriberStats,
} from '../lan/index.ts';
export { type AnnouncedServer, Announcement, type AnnounceOptions, announce } from './announce.ts';
export {
  type DiscoverOptions,
  discover,
  type FoundServer,
  ServerWatch,
  type ServerWatchEvents,
  type WatchOptions,
  watchServers,
} from './discover.ts';
export { DISCOVERY_URL, type DiscoveryOptions } from './discovery-options.ts';
export { Inbox, type InboxOptions } from './inbox.ts';
export {
  type LanBus,
  type LanEvents,
  type LanGap,
  type LanMessage,
  type LanRecovered,
  type LanStats,
  openLan,
  type PublishOptions,
  type SubscribeOptions,
} from './lan.ts';
export type { LanKeySource } from './lan-key.ts';
export type { LanOptions, StoreOptions } from './lan-options.ts';
export type { Address } from './plan.ts';
export type { UdpOptions } from './udp-options.ts';
export { type Datagram, openUdp, type UdpEvents, UdpSocket } from './udp-socket.ts';
