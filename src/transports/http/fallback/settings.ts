/** Times of the fallback's server side, in ms. docs/LIMITS.md has a row for each. */
export interface FallbackTimes {
  /** Between two signs of life on a stream on which nothing else is sent. */
  readonly heartbeat: number;
  /** How long a poll may stay without an answer. */
  readonly pollWait: number;
  /** How long a link lives on that nobody fetches from. */
  readonly fetchWait: number;
  /** How long the body of a POST may take. */
  readonly bodyWait: number;
  /** Between the beginning of a stream and its first event: a proxy that passes on what comes at once, and holds back the rest, is found out. */
  readonly readyWait: number;
}

export const FALLBACK_TIMES: FallbackTimes = {
  heartbeat: 15_000,
  pollWait: 25_000,
  fetchWait: 30_000,
  bodyWait: 10_000,
  readyWait: 50,
};

/** Bounds of the fallback's server side. */
export interface FallbackLimits {
  /** Bytes of events that are kept for one link until they are acknowledged, or one event where that is longer; what follows waits. */
  readonly keptBytes: number;
  /** Links of one port by the fallback, at one time. */
  readonly links: number;
  /** Links that one address has opened on a port and never fetched from, at one time. */
  readonly unfetched: number;
}

export const FALLBACK_LIMITS: FallbackLimits = {
  keptBytes: 1_048_576,
  links: 10_000,
  unfetched: 20,
};

export interface FallbackSettings {
  readonly times: FallbackTimes;
  readonly limits: FallbackLimits;
}

export const FALLBACK_SETTINGS: FallbackSettings = { times: FALLBACK_TIMES, limits: FALLBACK_LIMITS };
