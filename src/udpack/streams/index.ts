export type * from './events.ts';
export type { Role, StreamKind } from './ids.ts';
export { kindOf } from './ids.ts';
export * from './streams.ts';
export type * from './types.ts';
