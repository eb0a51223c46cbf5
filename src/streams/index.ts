export * from './duplex.ts';
export type { RawSocket } from './socket-port.ts';
