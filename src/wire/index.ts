export { clientCodec } from './hawser-codec.ts';
export { jsonCodec, parseJson } from './json-codec.ts';
export * from './messages.ts';
export { pageCodec } from './page-codec.ts';
export {
  type Dialect,
  lineDialect,
  type PlainFraming,
  type PlainMessage,
  plainCodec,
  rawDialect,
} from './plain-codec.ts';
export { hawserCodec } from './server-codec.ts';
export { type NativeText, useNativeText } from './server-text.ts';
export { decodeFramed, decodeValue, encodeFramed, encodeValue, FRAMED_HEADER } from './value.ts';
