import { type CloseReason, Outbound } from '../../../core/index.ts';
import { LengthFraming } from '../../../transport/index.ts';

const LF = 10;
const CR = 13;
/** It only writes here: what is too long is found by who reads. */
const FRAMES = new LengthFraming(Number.MAX_SAFE_INTEGER);

/** The frames of text messages that came one to a line; empty lines are none. */
export function framesOfLines(body: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const lf = body.indexOf(LF, at);
    const end = lf < 0 ? body.length : lf;
    const line = body.subarray(at, end > at && body[end - 1] === CR ? end - 1 : end);
    if (line.length > 0) frames.push(FRAMES.encode(new Outbound(line, true)));
    at = end + 1;
  }
  return Buffer.concat(frames);
}

/** The frame that says goodbye. */
export function frameOfClose(reason: CloseReason): Uint8Array {
  return FRAMES.goodbye(reason);
}
