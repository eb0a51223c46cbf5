import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  constants,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { HawserError, type Instant } from '../../core/index.ts';
import { Deadline, type DeadlineOwner } from '../../runtime/index.ts';
import type { Http2Limits } from '../../transport/index.ts';
import { wholeMs } from '../settings.ts';
import { answer, type Lobby } from '../websocket/parts.ts';
import { Allowance } from './allowance.ts';
import { cameBy } from './asked.ts';
import { receiveConnect } from './connect.ts';
import { Exchange } from './exchange.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_SETTINGS_TIMEOUT } = constants;

/** How often a connection is looked at, ms. */
const MIN_CHECK = 20;
const MAX_CHECK = 5000;

/** What the connections of one port share. */
export interface Http2House {
  readonly lobby: Lobby;
  readonly limits: Http2Limits;
  readonly connections: Set<Http2Connection>;
}

/** One connection that speaks HTTP/2: its requests and WebSockets, and what is held against its peer. */
export class Http2Connection implements DeadlineOwner {
  readonly #house: Http2House;
  readonly socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #exchanges = new Set<Exchange>();
  readonly #resets: Allowance;
  readonly #controls: Allowance;
  readonly #deadline: Deadline = new Deadline(this);
  readonly #since: Instant;
  /** Since when there is no stream. */
  #quietSince: Instant;
  /** Streams that were told to us, and of all of them the last that was looked at. */
  #told = 0;
  #refused = 0;
  #links = 0;
  /** When what is under way is cut. */
  #cutAt: Instant = Infinity;

  constructor(house: Http2House, socket: Socket, session: ServerHttp2Session) {
    const { world } = house.lobby.group;
    const { resets, resetRate, controls, controlRate } = house.limits;
    this.#house = house;
    this.socket = socket;
    this.#session = session;
    this.#since = world.now();
    this.#quietSince = this.#since;
    this.#resets = new Allowance(resets, resetRate, this.#since);
    this.#controls = new Allowance(controls, controlRate, this.#since);
  }

  begin(): void {
    const session = this.#session;
    this.#house.connections.add(this);
    session.on('error', ignore);
    session.on('stream', (stream, headers, _flags, ...rest) => {
      // Beside those that are declared there is the list of node:http.
      const [rawHeaders = []] = rest as readonly unknown[] as readonly (readonly string[])[];
      this.#take(stream, headers, rawHeaders);
    });
    const counted = (): void => this.#count(this.#controls, 'too many PING and SETTINGS frames');
    session.on('ping', counted);
    session.on('remoteSettings', counted);
    session.on('close', () => this.#gone());
    const { idleTimeout = 0 } = this.#house.lobby.options.net ?? {};
    if (idleTimeout > 0) session.setTimeout(wholeMs(idleTimeout));
    // Links hear of it by their own streams.
    session.on('timeout', () => this.#links > 0 || session.destroy());
    this.#lookAgain();
  }

  /** No more streams begin; those that are there may end, but requests in their time. */
  close(): void {
    const { group, options } = this.#house.lobby;
    this.#session.close();
    this.#cutAt = Math.min(this.#cutAt, group.world.now() + options.closeWait);
    this.#lookAgain();
  }

  /** Looks whether the peer keeps what it has begun moving. */
  onDeadline(): void {
    const now = this.#now;
    if (!this.#session.destroyed) this.#lookAtRefused();
    // Then Node ends the connection, and waits for nobody.
    if (this.#session.destroyed) return;
    const { loginWait } = this.#house.lobby.options;
    if (this.#session.pendingSettingsAck && now - this.#since > loginWait) {
      this.#session.destroy(new HawserError('ERR_TIMEOUT', 'SETTINGS are not answered'), NGHTTP2_SETTINGS_TIMEOUT);
      return;
    }
    for (const exchange of this.#exchanges) {
      if (now >= this.#cutAt || exchange.isStuck(now)) exchange.cut();
    }
    if (this.#exchanges.size + this.#links === 0) this.#lookAtQuiet(now);
    if (!this.#session.destroyed) this.#lookAgain();
  }

  get #now(): Instant {
    return this.#house.lobby.group.world.now();
  }

  #lookAgain(): void {
    const { limits, lobby } = this.#house;
    const { group, options } = lobby;
    const { loginWait, writeWait = Infinity, closeWait } = options;
    const shortest = Math.min(loginWait, writeWait, closeWait, limits.idle, limits.requestWait) / 4;
    const next = this.#now + Math.max(MIN_CHECK, Math.min(MAX_CHECK, shortest));
    group.wheel.schedule(this.#deadline, next);
  }

  /** A connection that has not been used at all gets no more time than one that sends no request by HTTP/1.1. */
  #lookAtQuiet(now: Instant): void {
    const { limits, lobby } = this.#house;
    if (now >= this.#cutAt) this.#session.destroy();
    else if (now - this.#quietSince >= (this.#told === 0 ? lobby.options.loginWait : limits.idle)) this.close();
  }

  /** Streams that Node turned away before they were told to us: too many, or with headers over their bounds. Numbers that a peer skips look the same. */
  #lookAtRefused(): void {
    const { lastProcStreamID = 0 } = this.#session.state;
    const refused = Math.max(0, (lastProcStreamID + 1) / 2 - this.#told);
    if (refused <= this.#refused) return;
    const more = refused - this.#refused;
    this.#refused = refused;
    this.#count(this.#resets, 'too many streams that were refused', more);
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    this.#told += 1;
    // Without a listener an error of one stream would end the process; 'close' follows.
    stream.on('error', ignore);
    if (stream.destroyed) {
      this.#count(this.#resets, RESETS);
      return;
    }
    if (headers[':method'] === 'CONNECT') this.#connect(stream, rawHeaders);
    else this.#answer(stream, headers, rawHeaders);
  }

  #connect(stream: ServerHttp2Stream, rawHeaders: readonly string[]): void {
    this.#links += 1;
    stream.once('close', () => {
      this.#links -= 1;
      this.#left(stream);
    });
    receiveConnect(this.#house.lobby, this.socket, stream, rawHeaders);
  }

  #answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    const { lobby, limits } = this.#house;
    const waits = { requestWait: limits.requestWait, writeWait: lobby.options.writeWait };
    const exchange = new Exchange(stream, this.socket, waits, this.#now);
    this.#exchanges.add(exchange);
    stream.once('close', () => {
      this.#exchanges.delete(exchange);
      if (!exchange.isCut) this.#left(stream);
      this.#quietSince = this.#now;
    });
    const request = new Http2ServerRequest(stream, headers, {}, rawHeaders);
    const response = new Http2ServerResponse(stream);
    cameBy(request, this.socket);
    const { expect } = request.headers;
    if (expect === '100-continue') response.writeContinue();
    if (expect !== undefined && expect !== '100-continue') response.writeHead(417).end();
    else void answer(lobby, request as unknown as IncomingMessage, response as unknown as ServerResponse);
  }

  /** A stream is over. One that was broken off costs us more than its peer. */
  #left(stream: ServerHttp2Stream): void {
    this.#quietSince = this.#now;
    if (stream.aborted || (stream.rstCode !== NGHTTP2_NO_ERROR && stream.rstCode !== undefined)) {
      this.#count(this.#resets, RESETS);
    }
  }

  #count(allowance: Allowance, what: string, count = 1): void {
    if (allowance.take(this.#now, count) || this.#session.destroyed) return;
    this.#session.goaway(NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from(what));
    this.#session.destroy(new HawserError('ERR_PROTOCOL', what), NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #gone(): void {
    this.#house.connections.delete(this);
    this.#house.lobby.group.wheel.cancel(this.#deadline);
  }
}

const RESETS = 'too many streams that were broken off';

function ignore(): void {}
