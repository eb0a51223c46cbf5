export * from './api.ts';
export * from './clock.ts';
export * from './close.ts';
export * from './errors.ts';
export * from './limits.ts';
export * from './listeners.ts';
export * from './outbound.ts';
export * from './varint.ts';
