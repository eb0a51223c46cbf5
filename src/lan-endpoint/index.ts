export { Inbox, type InboxOptions } from './inbox.ts';
export type { Address } from './plan.ts';
export type { UdpOptions } from './udp-options.ts';
export { type Datagram, openUdp, type UdpEvents, UdpSocket } from './udp-socket.ts';
