/** An answer that is read whole. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What hears of an answer while it comes. Nothing is told after `over`. */
export interface Hearer {
  begun(status: number): void;
  receive(bytes: Uint8Array): void;
  /** It has ended, or broke: then `error` says why. */
  over(error?: unknown): void;
}

/** An answer that comes. */
export interface Fetching {
  /** Stops and resumes reading. */
  pause(): void;
  resume(): void;
  /** Nothing more is told. */
  cancel(): void;
}

export type WireHeaders = Readonly<Record<string, string>>;

/** How one platform sends requests to one URL. Headers of the application's own go with each. */
export interface Wire {
  /** The URL's query goes with it only where `withQuery`. Rejects when the request or its answer broke, or `signal` fired. */
  post(headers: WireHeaders, body: Uint8Array, signal: AbortSignal, withQuery?: boolean): Promise<Answer>;
  get(headers: WireHeaders, hearer: Hearer): Fetching;
  /** No more requests follow; those that are under way go on. */
  close(): void;
  /** Whether links are to keep the process alive; left out where there is none. */
  ref?(on: boolean): void;
}
