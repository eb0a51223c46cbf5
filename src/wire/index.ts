export { hawserCodec } from './hawser-codec.ts';
export { jsonCodec } from './json-codec.ts';
export * from './messages.ts';
