/** What one side may send: events by the type of their data, requests as functions from data to answer, channels by their parameters. */
export interface Direction {
  readonly events?: object;
  readonly requests?: object;
  readonly channels?: object;
}

/** One type for both sides, directions and kinds apart. */
export interface ApiShape {
  readonly toServer?: Direction;
  readonly toClient?: Direction;
}

/** What is known of an application that declares nothing: any name, any data. */
export interface AnyDirection {
  readonly events: Record<string, unknown>;
  readonly requests: Record<string, (data?: unknown) => unknown>;
  readonly channels: Record<string, unknown>;
}
export interface AnyApi {
  readonly toServer: AnyDirection;
  readonly toClient: AnyDirection;
}

export type ToServer<A extends ApiShape> = A extends { readonly toServer: infer D extends Direction } ? D : Direction;
export type ToClient<A extends ApiShape> = A extends { readonly toClient: infer D extends Direction } ? D : Direction;

type Nothing = Record<never, never>;
export type EventsOf<D extends Direction> = D extends { readonly events: infer E extends object } ? E : Nothing;
export type RequestsOf<D extends Direction> = D extends { readonly requests: infer R extends object } ? R : Nothing;
export type ChannelsOf<D extends Direction> = D extends { readonly channels: infer C extends object } ? C : Nothing;
export type Name<T> = Extract<keyof T, string>;

/** The data argument and what follows it: the data may be left out when it may be undefined. */
export type DataArguments<Data, Options> = undefined extends Data
  ? [data?: Data, options?: Options]
  : [data: Data, options?: Options];

/** What a request carries: undefined for a function without parameters. */
export type RequestData<F> = F extends (...args: infer P) => unknown ? (P extends [] ? undefined : P[0]) : never;
/** What it answers with. */
export type RequestAnswer<F> = F extends (...args: never) => infer R ? Awaited<R> : never;

/**
 * What becomes of a message when the peer is slower than its sender; docs/guides/back-pressure.md has it in full. `block`: `send`
 * throws when the backlog is full. `disconnect`: the peer is cut off then. `drop`: nothing is queued while the backlog is over its
 * mark. `latest`: while it is, or while there is no link, the newest message of each event waits, and replaces the one before.
 */
export type Overflow = 'block' | 'disconnect' | 'drop' | 'latest';

/** The options of everything that waits. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** ms; 0 waits for ever. */
  readonly timeout?: number;
}
