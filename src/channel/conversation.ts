import {
  type DataArguments,
  type Direction,
  type ErrorCode,
  type EventsOf,
  HawserError,
  Listeners,
  type Name,
  ON_PAGE,
  type Outbound,
  type Overflow,
  type RequestAnswer,
  type RequestData,
  type RequestsOf,
  type WaitOptions,
  wordsOf,
} from '../core/index.ts';
import { type FailureData, type Incoming, MESSAGE, type RequestId, UNSAID } from '../wire/index.ts';
import type { AnyListener, EventListener, MessageInfo, Outlet, RequestHandler, SendOptions } from './contract.ts';
import { EventStream, type EventsOptions } from './event-stream.ts';
import { Latest } from './latest.ts';
import { PendingRequests } from './pending-requests.ts';

const NO_NAMES: ReadonlySet<string> = new Set();
const NO_LISTENERS: readonly AnyListener[] = [];
const NO_INFO: MessageInfo = Object.freeze({});

/** What may not be the name of an event or request that an application sends: the protocol's own words. */
export const RESERVED_EVENTS: ReadonlySet<string> = new Set([
  'hello',
  'welcome',
  'error',
  'joined',
  'left',
  'positioned',
  'recovered',
  'gap',
]);

type Listener = (...args: never[]) => unknown;
/** What a listener of a conversation's own events hears first. */
type First<L> = L extends (...args: infer P) => unknown ? (P extends [infer F, ...unknown[]] ? F : undefined) : never;

/**
 * Events and requests, both ways, on one channel. `In` is what the peer sends, `Out` what we send. `Own` is what the conversation tells
 * of itself, by names that are listened to in the same way and that no peer can set off.
 */
export class Conversation<In extends Direction, Out extends Direction, Own extends object = Record<never, never>> {
  /** What `send` does when the peer is slower, unless it is told. Default: a server's socket is cut off, all else throws. */
  overflow: Overflow | undefined;
  /** How many of our messages were left out: by `volatile` and `drop`, or replaced by `latest`. */
  dropped = 0;
  readonly #channel: number;
  readonly #outlet: Outlet;
  readonly #ownNames: ReadonlySet<string>;
  #own: Listeners | undefined;
  readonly #events: Listeners = new Listeners();
  #handlers: Map<string, (data: never, info: MessageInfo) => unknown> | undefined;
  #any: readonly AnyListener[] = NO_LISTENERS;
  #pending: PendingRequests | undefined;
  /** Those who wait for room. */
  #drains: PendingRequests | undefined;
  #latest: Latest | undefined;
  #handling = 0;
  /** What hears of the end. */
  #endings: Set<(error?: HawserError) => void> | undefined;
  #over: { readonly error: HawserError | undefined } | undefined;

  constructor(channel: number, outlet: Outlet, ownNames: ReadonlySet<string> = NO_NAMES) {
    this.#ownNames = ownNames;
    this.#channel = channel;
    this.#outlet = outlet;
  }

  /**
   * Sends an event. False when the backlog is over its mark; the event is queued all the same unless `volatile` or `overflow` say otherwise.
   * @throws HawserError ERR_ARGUMENT (no name, or too long), ERR_EVENT_RESERVED, ERR_UNENCODABLE, ERR_UNSUPPORTED (the dialect has no word
   *   for it); on a client also ERR_CLOSED, and
   *   ERR_BACKLOG_FULL unless `overflow` says otherwise.
   */
  send<E extends Name<EventsOf<Out>>>(
    event: E,
    ...[data, options]: DataArguments<EventsOf<Out>[E], SendOptions>
  ): boolean {
    const { codec, limits } = this.#outlet;
    checkName(event, limits.nameLength);
    const policy = options?.volatile ? 'volatile' : (options?.overflow ?? this.overflow);
    const volatile = policy === 'volatile';
    const message = codec[volatile ? policy : 'event'](this.#channel, event, data);
    if (!ON_PAGE && message === UNSAID)
      throw new HawserError('ERR_UNSUPPORTED', `'${event}' can't be said in ${codec.protocol}`);
    if (!ON_PAGE && options?.move && (volatile || !codec.acknowledges)) message.movable = true;
    if (!policy) return this.#outlet.send(message, 0);
    return this.sendBy(message, policy, `${event}\0${options?.key}`);
  }

  /**
   * Asks the peer and resolves with its answer.
   * @throws HawserError ERR_TIMEOUT (default 30 s), ERR_ABORTED, ERR_TOO_MANY_REQUESTS, ERR_ARGUMENT, ERR_CLOSED, ERR_SESSION_LOST,
   *   or the code that the peer's handler threw.
   */
  request<R extends Name<RequestsOf<Out>>>(
    name: R,
    ...[data, options]: DataArguments<RequestData<RequestsOf<Out>[R]>, WaitOptions>
  ): Promise<RequestAnswer<RequestsOf<Out>[R]>> {
    const outlet = this.#outlet;
    this.#pending ??= new PendingRequests(outlet.world, outlet.limits.pendingRequests);
    const answer = this.#pending.open(name, { timeout: outlet.times.requestTimeout, ...options }, (id) => {
      checkName(name, outlet.limits.nameLength);
      outlet.send(outlet.codec.request(this.#channel, id, name, data), id);
    });
    return answer as Promise<RequestAnswer<RequestsOf<Out>[R]>>;
  }

  on<E extends Name<Own>>(event: E, listener: Own[E]): void;
  on<E extends Name<EventsOf<In>>>(event: E, listener: EventListener<EventsOf<In>[E]>): void;
  on(event: string, listener: Listener): void {
    this.#listenersOf(event).add(event, listener);
  }

  once<E extends Name<Own>>(event: E, listener: Own[E]): void;
  once<E extends Name<EventsOf<In>>>(event: E, listener: EventListener<EventsOf<In>[E]>): void;
  once(event: string, listener: Listener): void {
    this.#listenersOf(event).once(event, listener);
  }

  /** Removes one listener, or all of the event. */
  off<E extends Name<Own>>(event: E, listener?: Own[E]): void;
  off<E extends Name<EventsOf<In>>>(event: E, listener?: EventListener<EventsOf<In>[E]>): void;
  off(event: string, listener?: Listener): void {
    this.#listenersOf(event).remove(event, listener);
  }

  /**
   * The events of one name for `for await`, from this call on; of the conversation's own events what their listeners hear first.
   * @throws HawserError ERR_ARGUMENT.
   */
  events<E extends Name<Own>>(event: E, options?: EventsOptions): EventStream<First<Own[E]>>;
  events<E extends Name<EventsOf<In>>>(event: E, options?: EventsOptions): EventStream<EventsOf<In>[E]>;
  events(event: string, options: EventsOptions = {}): EventStream<never> {
    const listeners = this.#listenersOf(event);
    return new EventStream(options, {
      add: (push, finish) => {
        if (this.#over) return finish(this.#over.error);
        listeners.add(event, push);
        this.#endings ??= new Set();
        this.#endings.add(finish);
      },
      remove: (push, finish) => {
        listeners.remove(event, push);
        this.#endings?.delete(finish);
      },
    });
  }

  /**
   * Resolves when `send` may go on after it returned false; at once when it may.
   * @throws HawserError ERR_TIMEOUT (default: none), ERR_ABORTED, ERR_CLOSED.
   */
  async drained(options?: WaitOptions): Promise<void> {
    const { world } = this.#outlet;
    if (this.#over) throw ended(this.#over.error);
    this.#drains ??= new PendingRequests(world, Infinity);
    await this.#drains.open('drain', { timeout: 0, ...options }, (id) => {
      if (!this.#outlet.mustWait(false)) this.#drains?.answer(id, undefined);
    });
  }

  /** Hears every event, after the listeners of its name. */
  onAny(listener: AnyListener): void {
    this.#any = [...this.#any, listener];
  }

  offAny(listener: AnyListener): void {
    this.#any = this.#any.filter((one) => one !== listener);
  }

  /**
   * Answers a request with what `handler` returns or resolves to. A `HawserError` that it throws reaches the asker with its code,
   * message and data; any other error reaches it as ERR_HANDLER_FAILED without a word of what it said.
   */
  handle<R extends Name<RequestsOf<In>>>(name: R, handler: RequestHandler<RequestsOf<In>[R]>): void {
    this.#handlers ??= new Map();
    this.#handlers.set(name, handler);
  }

  /** Takes in one message of this channel. Never throws. */
  dispatch(message: Incoming): void {
    switch (message.kind) {
      case MESSAGE.event:
      case MESSAGE.volatile:
        this.#dispatchEvent(message);
        return;
      case MESSAGE.request:
        this.#dispatchRequest(message, message.id);
        return;
      case MESSAGE.response:
        if (typeof message.id === 'number') this.#pending?.answer(message.id, message.data);
        return;
      case MESSAGE.failure:
        this.#dispatchFailure(message);
        return;
      default:
    }
  }

  /** @internal Tells of something that happened to the conversation itself. False when nobody listens. */
  tell(event: Name<Own>, first?: unknown, second?: unknown): boolean {
    const listeners = this.#own?.of(event) ?? [];
    for (const listener of listeners) this.#call(listener, event, first, second);
    return listeners.length > 0;
  }

  /** @internal Tells of it, and returns what each listener returned or threw, the latter as a rejection. */
  ask(event: Name<Own>, first: unknown): unknown[] {
    return (this.#own?.of(event) ?? []).map((listener) => {
      try {
        return listener(first as never);
      } catch (error) {
        return Promise.reject(error);
      }
    });
  }

  /** @internal Sends a message that may be left out or replaced; `key` says by which. */
  sendBy(message: Outbound, policy: Overflow | 'volatile', key: string): boolean {
    const outlet = this.#outlet;
    if (policy === 'volatile') {
      if (outlet.sendVolatile(message)) return true;
    } else if (policy === 'drop') {
      if (!outlet.mustWait(false)) return outlet.send(message, 0);
    } else if (policy === 'latest') {
      this.#latest ??= new Latest();
      // What does not fit is sent as ever, and ends where a full backlog ends.
      const fits = this.#latest.bytesWith(key, message) <= outlet.limits.backlogBytes;
      if (!fits || (this.#latest.size === 0 && !outlet.mustWait(true))) {
        const goesOn = outlet.send(message, 0);
        if (this.#latest.take(key)) this.#drop();
        return goesOn;
      }
      if (!this.#latest.put(key, message)) return false;
    } else return outlet.send(message, 0, policy);
    this.#drop();
    return false;
  }

  /** @internal `send` may go on: what waited for that goes first. */
  onDrain(): void {
    const outlet = this.#outlet;
    while (this.#latest?.size && !outlet.mustWait(true)) outlet.send(this.#latest.take() as Outbound, 0);
    if (outlet.mustWait(false)) return;
    this.#drains?.answerAll();
    this.tell('drain' as Name<Own>);
  }

  /** @internal Nothing more comes or goes; `error` says why when that was not planned. The last call. */
  finish(error: HawserError | undefined): void {
    this.#over = { error };
    this.#latest = undefined;
    this.#drains?.failAll(() => ended(error));
    for (const finish of this.#endings ?? []) finish(error);
  }

  /** Whether handlers of the peer's requests are at work. */
  get busy(): boolean {
    return this.#handling > 0;
  }

  /** Rejects the requests that wait, each with what `error` makes of its name and id. */
  failPending(error: (name: string, id: number) => HawserError): void {
    this.#pending?.failAll(error);
  }

  #drop(): void {
    this.dropped += 1;
    if (!ON_PAGE) this.#outlet.onDropped?.();
  }

  #dispatchEvent(message: Incoming): void {
    if (!this.#outlet.trustsInfo && RESERVED_EVENTS.has(message.name)) {
      this.#refuse(undefined, 'ERR_EVENT_RESERVED', message.name);
      return;
    }
    const info = (this.#outlet.trustsInfo && message.meta) || NO_INFO;
    const listeners = this.#events.of(message.name);
    if (!listeners && this.#handlers?.has(message.name)) {
      this.#dispatchRequest(message, undefined);
      return;
    }
    if (listeners) {
      for (const listener of listeners) this.#call(listener, message.name, message.data, info);
    }
    for (const listener of this.#any) this.#call(listener, message.name, message.name, message.data, info);
  }

  /** Runs an application's listener; what it throws, now or later, is reported and harms nobody. */
  #call(listener: Listener, name: string, first?: unknown, second?: unknown, third?: unknown): void {
    try {
      const result = listener(first as never, second as never, third as never);
      if (result instanceof Promise) this.#watch(result, name);
    } catch (error) {
      this.#outlet.report(error, `event '${name}'`);
    }
  }

  #listenersOf(event: string): Listeners {
    if (!this.#ownNames.has(event)) return this.#events;
    this.#own ??= new Listeners();
    return this.#own;
  }

  #watch(result: Promise<unknown>, name: string): void {
    result.catch((error: unknown) => this.#outlet.report(error, `event '${name}'`));
  }

  /** Without an id nobody waits for an answer: only a failure is told. */
  #dispatchRequest(message: Incoming, id: RequestId | undefined): void {
    const handler = this.#handlers?.get(message.name);
    if (!handler) {
      this.#refuse(id, 'ERR_NO_SUCH_REQUEST', message.name);
      return;
    }
    const { load } = this.#outlet;
    if (load.handling >= this.#outlet.limits.pendingRequests) {
      this.#refuse(id, 'ERR_TOO_MANY_REQUESTS', message.name);
      return;
    }
    try {
      const result = handler(message.data as never, NO_INFO);
      if (result instanceof Promise) void this.#answerLater(message.name, id, result);
      else this.#answer(message.name, id, result);
    } catch (error) {
      this.#handlerFailed(message.name, id, error);
    }
  }

  async #answerLater(name: string, id: RequestId | undefined, result: Promise<unknown>): Promise<void> {
    const { load } = this.#outlet;
    this.#handling += 1;
    load.handling += 1;
    try {
      this.#answer(name, id, await result);
    } catch (error) {
      this.#handlerFailed(name, id, error);
    } finally {
      load.handling -= 1;
      this.#handling -= 1;
      if (this.#handling === 0) this.#outlet.onIdle?.();
    }
  }

  #answer(name: string, id: RequestId | undefined, answer: unknown): void {
    if (id === undefined) return;
    let response: Outbound;
    try {
      response = this.#outlet.codec.response(this.#channel, id, name, answer);
    } catch (error) {
      this.#handlerFailed(name, id, new Error(`answer to '${name}'`, { cause: error }));
      return;
    }
    this.#reply(response);
  }

  /** A `HawserError` is meant for the asker; any other, and one that can't be encoded, is not. */
  #handlerFailed(name: string, id: RequestId | undefined, error: unknown): void {
    try {
      if (isHawserError(error)) {
        this.#fail(id, error.code, error);
        return;
      }
    } catch {
      // Its data is no message.
    }
    this.#outlet.report(error, `request '${name}'`);
    this.#refuse(id, 'ERR_HANDLER_FAILED', name);
  }

  #refuse(id: RequestId | undefined, code: ErrorCode, name: string): void {
    this.#fail(id, code, { message: `${wordsOf(code)}: '${name.slice(0, 64)}'` });
  }

  #fail(id: RequestId | undefined, code: string, failure: FailureData): void {
    this.#reply(this.#outlet.codec.failure(this.#channel, id, code, failure));
  }

  /** Nobody can be told when an answer finds no room; after the end nobody waits for it. */
  #reply(message: Outbound): void {
    try {
      this.#outlet.reply(message);
    } catch (error) {
      if (!isHawserError(error) || error.code !== 'ERR_CLOSED') this.#outlet.report(error, 'an answer');
    }
  }

  #dispatchFailure(message: Incoming): void {
    const { message: text, data } = message.data as FailureData;
    const error = new HawserError(message.name, text, { data });
    if (message.id === 0) this.#outlet.refused(error);
    else if (typeof message.id === 'number') this.#pending?.fail(message.id, error);
  }
}

function ended(cause: HawserError | undefined): HawserError {
  return new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the conversation has ended', { cause });
}

/** By name, not by `instanceof`, which fails across two installed copies. */
function isHawserError(error: unknown): error is HawserError {
  if (!(error instanceof Error) || error.name !== 'HawserError') return false;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code !== '';
}

/** @throws HawserError ERR_ARGUMENT (no name, or too long), ERR_EVENT_RESERVED. */
export function checkName(name: string, longest: number): void {
  if (typeof name !== 'string' || name === '' || name.length > longest) {
    throw new HawserError('ERR_ARGUMENT', `a name has 1 to ${longest} characters`);
  }
  if (RESERVED_EVENTS.has(name)) throw new HawserError('ERR_EVENT_RESERVED', `'${name}' is reserved`);
}
