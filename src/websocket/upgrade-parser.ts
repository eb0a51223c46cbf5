import { HEAD_BYTES, HEADERS_MAX, type HeadLimits, HeadReader, type Latin1, parseHead } from './http-head.ts';
import { type HttpRefusal, refuse } from './respond.ts';
import { judgeUpgrade, type UpgradeRequest } from './upgrade.ts';

export type UpgradeResult =
  /** The head isn't whole yet. */
  | { readonly kind: 'more' }
  /** A good upgrade; `rest` is what came after the head: the first frames. */
  | { readonly kind: 'upgrade'; readonly request: UpgradeRequest; readonly rest: Uint8Array }
  /** No upgrade: `bytes` is all that came, for an HTTP server to read from its first byte. */
  | { readonly kind: 'http'; readonly bytes: Uint8Array }
  /** An upgrade that can't be granted: write the answer and close. */
  | { readonly kind: 'refuse'; readonly refusal: HttpRefusal };

const MORE: UpgradeResult = { kind: 'more' };
const METHOD = [0x47, 0x45, 0x54, 0x20] as const;
const START_LINE = /^(GET) ([\x21-\x7e]+) HTTP\/(1\.[01])$/;

/**
 * Reads the first request of a raw connection and says what it is. Whatever isn't an upgrade by the letter is handed
 * over whole, so that one parser alone judges each byte and nothing can be smuggled between two.
 */
export class UpgradeParser {
  readonly #head: HeadReader;
  readonly #headersMax: number;
  readonly #latin1: Latin1 | undefined;

  /** @param latin1 A faster one than the one built in. */
  constructor(limits: HeadLimits = {}, latin1?: Latin1) {
    this.#latin1 = latin1;
    this.#head = new HeadReader(limits.headBytes ?? HEAD_BYTES);
    this.#headersMax = limits.headersMax ?? HEADERS_MAX;
  }

  /** Takes in one chunk; a result may hold views of it. After any result but `more` the parser has done its work. */
  receive(chunk: Uint8Array): UpgradeResult {
    const head = this.#head;
    const state = head.receive(chunk);
    if (!mayBeGet(head.bytes)) return this.#http();
    switch (state) {
      case 'more':
        return MORE;
      case 'bare LF':
        return this.#http();
      case 'too large':
        return { kind: 'refuse', refusal: refuse(431, 'the head of the request is too large') };
      default:
        return this.#judge();
    }
  }

  #judge(): UpgradeResult {
    const { bytes, end } = this.#head;
    const head = parseHead(bytes.subarray(0, end), this.#headersMax, this.#latin1);
    if (head === 'too many') return { kind: 'refuse', refusal: refuse(431, 'the request has too many headers') };
    const line = START_LINE.exec(head?.startLine ?? '');
    if (head === undefined || line === null) return this.#http();
    const verdict = judgeUpgrade('GET', line[2] ?? '', line[3] ?? '', head.rawHeaders);
    if (verdict.kind === 'http') return this.#http();
    if (verdict.kind === 'refuse') return verdict;
    return { kind: 'upgrade', request: verdict.request, rest: bytes.subarray(end) };
  }

  #http(): UpgradeResult {
    return { kind: 'http', bytes: this.#head.bytes };
  }
}

function mayBeGet(bytes: Uint8Array): boolean {
  return METHOD.every((byte, at) => at >= bytes.length || bytes[at] === byte);
}
