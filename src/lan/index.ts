export { HEAD_BYTES, isRequest, kindOf, open, seal, sealBytes, writeHead } from './envelope.ts';
export * from './keys.ts';
export { LAN_LIMITS, LAN_TIMES, type LanLimits, type LanTimes, lanLimits, lanTimes } from './options.ts';
export { Publisher } from './publisher.ts';
export { Subscriber } from './subscriber.ts';
export type * from './types.ts';
