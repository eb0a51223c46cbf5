import { hash } from 'node:crypto';

const DIGEST = 32;
const BLOCK = 64;
const INNER = 0x36;
const OUTER = 0x5c;

/** Where short inputs are put together: those of a handshake are shorter than this. */
const room: Buffer = Buffer.allocUnsafeSlow(2048);
const outer: Buffer = Buffer.allocUnsafeSlow(BLOCK + DIGEST);

/** SHA-256 of the parts, one after the other. In one call, without an object that the collector has to finalize. */
export function sha256(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = joined(parts, 0);
  const digest = bytesOf(hash('sha256', bytes, 'binary'));
  bytes.fill(0);
  return digest;
}

/** HMAC-SHA-256 of the parts, by two calls of `hash`: a third of the time of `createHmac`, and nothing to finalize. */
export function hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const pad = key.length > BLOCK ? sha256([key]) : key;
  const inner = joined(parts, BLOCK);
  for (let at = 0; at < BLOCK; at++) {
    const byte = pad[at] ?? 0;
    inner[at] = byte ^ INNER;
    outer[at] = byte ^ OUTER;
  }
  outer.write(hash('sha256', inner, 'binary'), BLOCK, DIGEST, 'latin1');
  const digest = bytesOf(hash('sha256', outer, 'binary'));
  inner.fill(0);
  outer.fill(0);
  return digest;
}

/** The parts behind `head` bytes of room. */
function joined(parts: readonly Uint8Array[], head: number): Buffer {
  let length = head;
  for (const part of parts) length += part.length;
  const target = length <= room.length ? room.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  let at = head;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return target;
}

/** A string costs less to make than a buffer outside of the heap. */
function bytesOf(digest: string): Uint8Array {
  const bytes = new Uint8Array(DIGEST);
  for (let at = 0; at < DIGEST; at++) bytes[at] = digest.charCodeAt(at);
  return bytes;
}
