import type { Outbound } from '../core/index.ts';
import type { Codec, Meta } from '../wire/index.ts';

/** One message on its way to many sockets: encoded at most once per dialect, whoever asks first. */
export class Delivery {
  readonly event: string;
  readonly data: unknown;
  readonly meta: Meta | undefined;
  readonly volatile: boolean;
  #codec: Codec | undefined;
  #encoded: Outbound | undefined;
  #others: Map<Codec, Outbound> | undefined;

  constructor(event: string, data: unknown, meta: Meta | undefined, volatile: boolean) {
    this.event = event;
    this.data = data;
    this.meta = meta;
    this.volatile = volatile;
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
