import type { Outbound, Overflow } from '../core/index.ts';
import type { EngineMessage } from '../engine/index.ts';
import type { Codec, Meta } from '../wire/index.ts';

/** What is said to many. */
export type Said = Pick<EngineMessage, 'event' | 'data' | 'volatile' | 'overflow' | 'key'>;

/** One message on its way to many sockets: encoded at most once per dialect, whoever asks first. */
export class Delivery {
  readonly meta: Meta | undefined;
  readonly #said: Said;
  #codec: Codec | undefined;
  #encoded: Outbound | undefined;
  #others: Map<Codec, Outbound> | undefined;

  constructor(said: Said, meta: Meta | undefined) {
    this.#said = said;
    this.meta = meta;
  }

  get event(): string {
    return this.#said.event;
  }

  get data(): unknown {
    return this.#said.data;
  }

  get volatile(): boolean {
    return this.#said.volatile;
  }

  get overflow(): Overflow | undefined {
    return this.#said.overflow;
  }

  /** A newer message with the same key replaces this one where it waits by `latest`. */
  get key(): string {
    return `${this.event}\0${this.#said.key}\0${this.meta?.room}`;
  }

  /** @throws HawserError ERR_UNENCODABLE. */
  encodedBy(codec: Codec): Outbound {
    if (this.#codec === codec && this.#encoded !== undefined) return this.#encoded;
    if (this.#codec === undefined) {
      this.#encoded = this.#encode(codec);
      this.#codec = codec;
      return this.#encoded;
    }
    this.#others ??= new Map();
    const encoded = this.#others.get(codec) ?? this.#encode(codec);
    this.#others.set(codec, encoded);
    return encoded;
  }

  #encode(codec: Codec): Outbound {
    return this.volatile
      ? codec.volatile(0, this.event, this.data, this.meta)
      : codec.event(0, this.event, this.data, this.meta);
  }
}
