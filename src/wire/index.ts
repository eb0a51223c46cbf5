export type { Body } from './body.ts';
export { createHawserCodec } from './hawser-codec.ts';
export { jsonCodec } from './json-codec.ts';
export * from './messages.ts';
