/** Says whether bytes are well-formed UTF-8; Node's `buffer.isUtf8` is one. */
export type Utf8Check = (bytes: Uint8Array) => boolean;

/** Between two characters: where a text must begin and end. */
export const UTF8_START = 0;
/** These bytes can't be part of any text. */
export const UTF8_BROKEN = -1;

/**
 * What may come next, by state. A state is 0 between characters, else how many continuation bytes are missing (1 to 3)
 * or one of those where the next byte has narrower bounds: no overlong forms, no surrogates, nothing over U+10FFFF
 * (RFC 3629 4).
 */
const LOWEST = [0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80] as const;
const HIGHEST = [0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f] as const;
const FOLLOWED_BY = [0, 0, 1, 2, 1, 1, 2, 2] as const;
const AFTER_E0 = 4;
const AFTER_ED = 5;
const AFTER_F0 = 6;
const AFTER_F4 = 7;

/** Whether these bytes are well-formed UTF-8 as a whole. */
export function isUtf8(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
  return walk(UTF8_START, bytes, start, end) === UTF8_START;
}

/**
 * Goes on through a text that comes in pieces: the state after `bytes`, or `UTF8_BROKEN` as soon as no text can begin
 * like this. `check`, when given, does the bulk of the work.
 */
export function advanceUtf8(state: number, bytes: Uint8Array, check?: Utf8Check): number {
  if (check === undefined) return walk(state, bytes, 0, bytes.length);
  let start = 0;
  let now = state;
  while (now > UTF8_START && start < bytes.length) now = step(now, bytes[start++] as number);
  if (now === UTF8_BROKEN || start === bytes.length) return now;
  const end = lastCharacterEnd(bytes, start);
  if (!check(bytes.subarray(start, end))) return UTF8_BROKEN;
  return walk(UTF8_START, bytes, end, bytes.length);
}

function walk(state: number, bytes: Uint8Array, start: number, end: number): number {
  let now = state;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (now === UTF8_START && byte < 0x80) continue;
    now = step(now, byte);
    if (now === UTF8_BROKEN) return now;
  }
  return now;
}

function step(state: number, byte: number): number {
  if (state === UTF8_START) return stateAfterLead(byte);
  if (byte < (LOWEST[state] as number) || byte > (HIGHEST[state] as number)) return UTF8_BROKEN;
  return FOLLOWED_BY[state] as number;
}

function stateAfterLead(byte: number): number {
  if (byte < 0x80) return UTF8_START;
  if (byte < 0xc2) return UTF8_BROKEN;
  if (byte < 0xe0) return 1;
  if (byte === 0xe0) return AFTER_E0;
  if (byte === 0xed) return AFTER_ED;
  if (byte < 0xf0) return 2;
  if (byte === 0xf0) return AFTER_F0;
  if (byte < 0xf4) return 3;
  return byte === 0xf4 ? AFTER_F4 : UTF8_BROKEN;
}

/** Where the bytes that can be judged by themselves end: a last character that is cut off is left out. */
function lastCharacterEnd(bytes: Uint8Array, start: number): number {
  const { length } = bytes;
  for (let back = 1; back <= 3 && length - back >= start; back++) {
    const byte = bytes[length - back] as number;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) return characterLength(byte) > back ? length - back : length;
  }
  return length;
}

function characterLength(lead: number): number {
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}
