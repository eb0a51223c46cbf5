import { TOKEN } from './http-head.ts';

/** One extension of a `Sec-WebSocket-Extensions` header (RFC 6455 9.1). */
export interface Extension {
  readonly name: string;
  /** In their order, with repetitions; a parameter without a value has undefined. */
  readonly parameters: readonly (readonly [name: string, value: string | undefined])[];
}

const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\\r\n]|\\[^\r\n])*)"/y;
const PART = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;

/**
 * Takes the header apart by its grammar. Undefined when it breaks it; also a quoted value must be a token once its quotes are off,
 * as the RFC asks. Time is linear in its length.
 */
export function parseExtensions(header: string): readonly Extension[] | undefined {
  const reader = new Reader(header);
  const extensions: Extension[] = [];
  do {
    const extension = readExtension(reader);
    if (extension === undefined) return undefined;
    extensions.push(extension);
  } while (reader.takes(','));
  return reader.atEnd ? extensions : undefined;
}

function readExtension(reader: Reader): Extension | undefined {
  const name = reader.token();
  if (name === undefined) return undefined;
  const parameters: [string, string | undefined][] = [];
  while (reader.takes(';')) {
    const parameter = reader.token();
    if (parameter === undefined) return undefined;
    const valued = reader.takes('=');
    const value = valued ? reader.value() : undefined;
    if (valued && value === undefined) return undefined;
    parameters.push([parameter, value]);
  }
  return { name, parameters };
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#match(SPACE);
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  takes(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    this.#match(SPACE);
    return true;
  }

  token(): string | undefined {
    return this.#match(PART)?.[0];
  }

  value(): string | undefined {
    if (this.#text[this.#at] !== '"') return this.token();
    const bare = this.#match(QUOTED)?.[1]?.replaceAll(/\\(.)/g, '$1') ?? '';
    return TOKEN.test(bare) ? bare : undefined;
  }

  /** What stands here, and the space after it. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    if (pattern !== SPACE) this.#match(SPACE);
    return found;
  }
}
