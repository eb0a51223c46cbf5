export {
  Channel,
  type ChannelEvents,
  type ChannelFrom,
  type ChannelOptions,
} from './channel.ts';
export type { BytePort } from './channel-core.ts';
export { Channels, type ChannelsHost, channelRoomOf } from './channels.ts';
export type {
  AnyListener,
  EventListener,
  Load,
  MessageInfo,
  Outlet,
  RequestHandler,
  SendOptions,
} from './contract.ts';
export { Conversation, checkName, RESERVED_EVENTS } from './conversation.ts';
export type { EventStream, EventsOptions } from './event-stream.ts';
export { Inbox } from './inbox.ts';
export { unanswered } from './pending-requests.ts';
export { failureOf } from './web-streams.ts';
