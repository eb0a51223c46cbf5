import type { PlainFraming } from '../wire/index.ts';
import { ChunkFraming } from './chunk-framing.ts';
import type { Framing } from './framing.ts';
import { LengthFraming } from './length-framing.ts';
import { LineFraming } from './line-framing.ts';

/** How messages of a dialect that is not Hawser's own lie in a byte stream. */
export function plainFraming(framing: PlainFraming, messageBytes: number): Framing {
  if (framing === 'chunk') return new ChunkFraming();
  return framing === 'line' ? new LineFraming(messageBytes, false) : new LengthFraming(messageBytes);
}
