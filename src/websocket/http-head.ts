/** What is taken in before a handshake is over. */
export interface HeadLimits {
  /** The longest head, in bytes, its empty line included. Default 16,384. */
  readonly headBytes?: number | undefined;
  /** The most header lines. Default 100. */
  readonly headersMax?: number | undefined;
}

export const HEAD_BYTES = 16_384;
export const HEADERS_MAX = 100;

/** Headers by lower-case name; without a prototype, so that no name means anything by itself. */
export type Headers = Readonly<Record<string, string>>;

const FIRST_BYTES = 1024;
const EMPTY = new Uint8Array(0);
const CR = 0x0d;
const LF = 0x0a;

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

/**
 * Takes a whole head apart by the letter (RFC 9112 2 to 5): no folded lines, no space before the colon, no control
 * characters. Undefined when it isn't one.
 */
export function parseHead(bytes: Uint8Array, headersMax: number): Head | 'too many' | undefined {
  const [startLine = '', ...lines] = latin1(bytes.subarray(0, bytes.length - 4)).split('\r\n');
  if (lines.length > headersMax) return 'too many';
  const rawHeaders: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1);
    if (!TOKEN.test(name) || !VALUE.test(value)) return undefined;
    rawHeaders.push(name, trimSpace(value));
  }
  return { startLine, rawHeaders };
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
    const name = (rawHeaders[at] as string).toLowerCase();
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

/** Headers as one string, which takes a third of the memory; `unpackHeaders` takes it apart. */
export function packHeaders(rawHeaders: readonly string[]): string {
  return rawHeaders.join('\n');
}

export function unpackHeaders(packed: string): Headers {
  return joinHeaders(packed === '' ? [] : packed.split('\n'), NO_NAMES).headers;
}

const NO_NAMES: ReadonlySet<string> = new Set();

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
  return listOf(value).some((one) => one.toLowerCase() === member);
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
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
