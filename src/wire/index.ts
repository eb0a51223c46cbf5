export { clientCodec } from './hawser-codec.ts';
export { jsonCodec } from './json-codec.ts';
export * from './messages.ts';
export { hawserCodec } from './server-codec.ts';
