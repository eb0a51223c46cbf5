import { PROTOCOL } from '../wire/index.ts';

/** The protocols that byte streams carry, by the framing that carries them. A peer that offers none speaks lines. */
export const STREAM_PROTOCOL: { readonly length: string; readonly line: string } = {
  length: PROTOCOL.hawser,
  line: PROTOCOL.json,
};
