import { CLOSE, type CloseReason, isUtf8, mayBeSent } from '../core/index.ts';
import { CONTROL_BYTES } from './frame.ts';

const ENCODER: TextEncoder = new TextEncoder();
const DECODER: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

const NONE = new Uint8Array(0);
const NO_STATUS: CloseReason = { code: CLOSE.noStatus, reason: '' };

/** Says what is wrong with a close frame: the code to fail the connection with, and why. */
export interface BrokenClose {
  readonly broken: CloseReason;
}

/** Reads the payload of a close frame (RFC 6455 5.5.1). An empty one means code 1005. */
export function readClose(payload: Uint8Array): CloseReason | BrokenClose {
  if (payload.length === 0) return NO_STATUS;
  if (payload.length === 1) return broken(CLOSE.protocolError, 'a close frame of one byte');
  const code = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  if (!mayBeSent(code)) return broken(CLOSE.protocolError, `the close code ${code} must not be sent`);
  const text = payload.subarray(2);
  if (!isUtf8(text)) return broken(CLOSE.badText, 'the reason of a close frame is not UTF-8');
  return { code, reason: text.length === 0 ? '' : DECODER.decode(text) };
}

/** The payload that says `reason`: empty for a code that must not be sent, and with at most 123 bytes of text. */
export function closePayload(reason: CloseReason): Uint8Array {
  if (!mayBeSent(reason.code)) return NONE;
  if (reason.reason === '') return Uint8Array.of(reason.code >>> 8, reason.code & 0xff);
  const payload = new Uint8Array(CONTROL_BYTES);
  payload[0] = reason.code >>> 8;
  payload[1] = reason.code & 0xff;
  const { written } = ENCODER.encodeInto(reason.reason, payload.subarray(2));
  return payload.subarray(0, 2 + written);
}

function broken(code: number, reason: string): BrokenClose {
  return { broken: { code, reason } };
}
