import { hawserCodec } from './hawser-codec.ts';
import type { Codec } from './messages.ts';

export { hawserCodec } from './hawser-codec.ts';
export { jsonCodec } from './json-codec.ts';
export * from './messages.ts';

/** The same codec whatever the platform; kept until its callers say `hawserCodec`. */
export function createHawserCodec(_body?: unknown): Codec {
  return hawserCodec;
}
