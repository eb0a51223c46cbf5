/** What is taken in before a handshake is over. */
export interface HeadLimits {
  /** The longest head, in bytes, its empty line included. Default 16,384. */
  readonly headBytes?: number | undefined;
  /** The most header lines. Default 100. */
  readonly headersMax?: number | undefined;
}

/** Bytes as a text, one character for each. */
export type Latin1 = (bytes: Uint8Array) => string;

export const HEAD_BYTES = 16_384;
export const HEADERS_MAX = 100;

/** Headers by lower-case name; without a prototype, so that no name means anything by itself. */
export type Headers = Readonly<Record<string, string>>;

const FIRST_BYTES = 1024;
const EMPTY = new Uint8Array(0);
const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;

/**
 * Collects the head of an HTTP message (RFC 9112 2.1) from chunks cut anywhere, each byte looked at once. Lines must end in
 * CR LF: a lone LF is what two parsers read in two ways.
 */
export class HeadReader {
  /** All bytes so far; those from `end` on follow the head. */
  bytes: Uint8Array = EMPTY;
  /** The offset after the empty line, once `receive` has said `end`. */
  end = 0;
  readonly #headBytes: number;
  /** Our own memory, of which `bytes` is the beginning, once the head came in pieces. */
  #owned: Uint8Array | undefined = undefined;
  #seen = 0;
  #lineStart = 0;

  constructor(headBytes: number) {
    this.#headBytes = headBytes;
  }

  /** Takes in one chunk; it is copied only if the head goes on after it. */
  receive(chunk: Uint8Array): 'more' | 'end' | 'too large' | 'bare LF' {
    if (this.bytes.length === 0) this.bytes = chunk;
    else this.#own(chunk);
    const state = this.#scan();
    if (state === 'more' && this.#owned === undefined) this.#own(EMPTY);
    return state;
  }

  #scan(): 'more' | 'end' | 'too large' | 'bare LF' {
    const { bytes } = this;
    const stop = Math.min(bytes.length, this.#headBytes);
    for (let at = bytes.indexOf(LF, this.#seen); at >= 0 && at < stop; at = bytes.indexOf(LF, at + 1)) {
      if (at === 0 || bytes[at - 1] !== CR) return 'bare LF';
      if (at - 1 === this.#lineStart) {
        this.end = at + 1;
        return 'end';
      }
      this.#lineStart = at + 1;
    }
    this.#seen = bytes.length;
    return bytes.length >= this.#headBytes ? 'too large' : 'more';
  }

  /** Copies what is there and `chunk` into memory of our own, which doubles as it must. */
  #own(chunk: Uint8Array): void {
    const kept = this.bytes.length;
    const needed = kept + chunk.length;
    if (this.#owned === undefined || this.#owned.length < needed) {
      const grown = new Uint8Array(Math.max(needed, kept * 2, FIRST_BYTES));
      grown.set(this.bytes);
      this.#owned = grown;
    }
    this.#owned.set(chunk, kept);
    this.bytes = this.#owned.subarray(0, needed);
  }
}

/** A head taken apart: its first line, and names and values in turn, as node:http's `rawHeaders`. */
export interface Head {
  readonly startLine: string;
  readonly rawHeaders: readonly string[];
}

/** RFC 9110 5.6.2. */
export const TOKEN: RegExp = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What a byte may be part of, as bits: a name, a value. */
const OF_NAME = 1;
const OF_VALUE = 2;
const KINDS: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const letter = String.fromCharCode(byte);
  return (TOKEN.test(letter) ? OF_NAME : 0) | (VALUE.test(letter) ? OF_VALUE : 0);
});
/** What each line and the head itself end with. */
const END_BYTES = 2;

/**
 * Takes a whole head apart by the letter (RFC 9112 2 to 5): no folded lines, no space before the colon, no control
 * characters. Undefined when it isn't one.
 */
export function parseHead(
  bytes: Uint8Array,
  headersMax: number,
  textOf: Latin1 = latin1,
): Head | 'too many' | undefined {
  const text = textOf(bytes);
  const first = text.indexOf('\r\n');
  const rawHeaders: string[] = [];
  const end = bytes.length - END_BYTES;
  for (let at = first + END_BYTES; at < end; ) {
    const colon = runEnd(bytes, at, OF_NAME);
    const stop = runEnd(bytes, colon + 1, OF_VALUE);
    const whole = colon > at && bytes[colon] === COLON && bytes[stop] === CR && bytes[stop + 1] === LF;
    if (!whole || rawHeaders.length === 2 * headersMax) return headersOf(text) > headersMax ? 'too many' : undefined;
    rawHeaders.push(text.slice(at, colon), trimmed(text, colon + 1, stop));
    at = stop + END_BYTES;
  }
  return { startLine: text.slice(0, first), rawHeaders };
}

/** Where the bytes end that are of one kind from `at` on. */
function runEnd(bytes: Uint8Array, at: number, kind: number): number {
  let end = at;
  while (((KINDS[bytes[end] as number] as number) & kind) !== 0) end++;
  return end;
}

/** How many header lines a whole head has: split, there are its first line, the empty one, and what follows that besides. */
function headersOf(text: string): number {
  return text.split('\r\n').length - 3;
}

/** Whether this may be the name of a header. */
export function isHeaderName(name: string): boolean {
  return TOKEN.test(name);
}

/** Whether this may be the value of a header: above all it can't begin another line. */
export function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}

/**
 * Headers by name. Repeated ones are joined with commas, cookies with semicolons (RFC 9110 5.3, RFC 9113 8.2.3);
 * `repeated` names those of `once` that came more than once.
 */
export function joinHeaders(
  rawHeaders: readonly string[],
  once: ReadonlySet<string>,
): { readonly headers: Headers; readonly repeated: string | undefined } {
  const headers = Object.create(null) as Record<string, string>;
  let repeated: string | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = lowered(rawHeaders[at] as string);
    const value = rawHeaders[at + 1] as string;
    const before = headers[name];
    if (before === undefined) {
      headers[name] = value;
      continue;
    }
    if (once.has(name)) repeated ??= name;
    headers[name] = before + (name === 'cookie' ? '; ' : ', ') + value;
  }
  return { headers, repeated };
}

/** What clients of one kind send alike, as they write it. */
const ALIKE: readonly string[] = [
  'Accept',
  'Accept-Encoding',
  'Accept-Language',
  'Cache-Control',
  'Connection',
  'Host',
  'Origin',
  'Pragma',
  'Sec-Fetch-Dest',
  'Sec-Fetch-Mode',
  'Sec-Fetch-Site',
  'Sec-WebSocket-Extensions',
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Version',
  'Upgrade',
  'User-Agent',
];
const OWN: readonly string[] = [
  'Authorization',
  'Cookie',
  'Sec-WebSocket-Key',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
];
const ALIKE_NAMES: ReadonlySet<string> = new Set(ALIKE.map((name) => name.toLowerCase()));
/** Looking these up takes a third of the time of making them small. */
const LOWERED: ReadonlyMap<string, string> = new Map([...ALIKE, ...OWN].map((name) => [name, name.toLowerCase()]));

function lowered(name: string): string {
  return LOWERED.get(name) ?? name.toLowerCase();
}

/** Headers as two texts; `unpackHeaders` takes them apart. */
export interface PackedHeaders {
  /** What this client alone sends: cookies, the key, whom a proxy speaks for. */
  readonly own: string;
  /** What clients of its kind send alike: one text for all of them. */
  readonly alike: string;
}

/** So many texts are found again, none of them longer than this. */
const TEXTS_MAX = 256;
const TEXT_LENGTH = 1024;
const TEXTS = new Map<string, string>();

/** Takes a tenth of the memory where the clients are alike, a third otherwise. */
export function packHeaders(rawHeaders: readonly string[]): PackedHeaders {
  const own: string[] = [];
  const alike: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    (ALIKE_NAMES.has(lowered(name)) ? alike : own).push(name, rawHeaders[at + 1] as string);
  }
  return { own: own.join('\n'), alike: keptOnce(alike.join('\n')) };
}

export function unpackHeaders({ own, alike }: PackedHeaders): Headers {
  return joinHeaders([...linesOf(alike), ...linesOf(own)], NO_NAMES).headers;
}

/** The same headers, of which the one of this name says something else. */
export function replaceHeader(rawHeaders: readonly string[], name: string, value: string): readonly string[] {
  return rawHeaders.map((text, at) => (at % 2 === 1 && lowered(rawHeaders[at - 1] as string) === name ? value : text));
}

const NO_NAMES: ReadonlySet<string> = new Set();

function linesOf(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}

/** The same text again where another connection has it, so that there is one in memory. */
function keptOnce(text: string): string {
  const known = TEXTS.get(text);
  if (known !== undefined || text.length > TEXT_LENGTH) return known ?? text;
  // A map has first what came first.
  for (const oldest of TEXTS.keys()) {
    if (TEXTS.size < TEXTS_MAX) break;
    TEXTS.delete(oldest);
  }
  TEXTS.set(text, text);
  return text;
}

/** The members of a comma-separated header, trimmed, empty ones left out (RFC 9110 5.6.1). */
export function listOf(value: string | undefined): string[] {
  if (value === undefined) return [];
  return value
    .split(',')
    .map(trimSpace)
    .filter((member) => member !== '');
}

/** Whether a comma-separated header has this member, in whatever case. */
export function listHas(value: string | undefined, member: string): boolean {
  return value?.toLowerCase() === member || listOf(value).some((one) => one.toLowerCase() === member);
}

/** One character per byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    // Spread goes by the iterator of the array, which takes seven times as long.
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096) as unknown as number[]);
  }
  return text;
}

/** One byte per character; `text` has none over U+00FF. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function trimSpace(text: string): string {
  return trimmed(text, 0, text.length);
}

/** The text from `start` to `end` without the space around it. */
function trimmed(text: string, start: number, end: number): string {
  let first = start;
  let last = end;
  while (first < last && isSpace(text.charCodeAt(first))) first++;
  while (last > first && isSpace(text.charCodeAt(last - 1))) last--;
  return text.slice(first, last);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
