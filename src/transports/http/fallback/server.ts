import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { byteStreamLink, LinkGroup } from '../../../runtime/index.ts';
import { type FallbackLimits, STREAM_PROTOCOL } from '../../../transport/index.ts';
import { chooseProtocol, refuseProtocols } from '../../../websocket/index.ts';
import type { Reception } from '../../guest.ts';
import type { Fallback, FallbackHost } from '../contract.ts';
import { answer, headerOf, respond } from './answers.ts';
import { corsHeaders, isPreflight, preflightHeaders } from './cors.ts';
import { Entry } from './entry.ts';
import { HEADER, type Opened } from './protocol.ts';
import { ServerFraming } from './server-framing.ts';
import { ServerPort } from './server-port.ts';
import { resolveFallback } from './settings.ts';

/** A name that a client may choose: 96 bits of chance in base64url, or longer. */
const NAME = /^[\w-]{16,64}$/;
const SECRET_BYTES = 24;

/** The fallback of one port: opens links, and finds the link of each request. */
export class FallbackServer implements Fallback {
  readonly #host: FallbackHost;
  readonly #limits: FallbackLimits;
  readonly #links = new Map<string, Entry>();
  /** Links that nobody has fetched from yet, by address. */
  readonly #unfetched = new Map<string, number>();
  readonly #groups = new WeakMap<Reception, LinkGroup>();
  /** Connections by which requests of links came. */
  readonly #sockets = new WeakSet<object>();
  #isClosed = false;
  #whenEmpty: (() => void) | undefined;

  /** @throws HawserError ERR_OPTION. */
  constructor(host: FallbackHost, limits: Partial<FallbackLimits> = {}) {
    this.#host = host;
    this.#limits = resolveFallback(limits);
  }

  take(request: IncomingMessage, response: ServerResponse): boolean {
    if (isPreflight(request)) {
      this.#allow(request, response);
      return true;
    }
    const name = headerOf(request, HEADER.link);
    if (name === undefined) return false;
    const secret = headerOf(request, HEADER.secret);
    if (secret !== undefined) this.#find(name, secret, request, response);
    else if (request.method === 'POST') this.#open(name, request, response);
    else answer(response, 405, 'a link is opened by POST', { Allow: 'POST' });
    return true;
  }

  keeps(socket: Socket): boolean {
    return this.#links.size > 0 && this.#sockets.has(socket);
  }

  close(): Promise<void> | undefined {
    this.#isClosed = true;
    if (this.#links.size === 0) return undefined;
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** A browser asks whether a page of another origin may have a link. */
  #allow(request: IncomingMessage, response: ServerResponse): void {
    const { origin = '' } = request.headers;
    const hearing = this.#host.hear(request);
    if ('refusal' in hearing) answer(response, hearing.refusal.status, hearing.refusal.body);
    else answer(response, 204, '', preflightHeaders(origin));
  }

  #find(name: string, secret: string, request: IncomingMessage, response: ServerResponse): void {
    const entry = this.#links.get(name);
    if (entry?.hasSecret(secret) === true) {
      this.#sockets.add(this.#host.socketOf(request));
      entry.take(request, response);
    } else {
      request.resume();
      // A page may know this of any link: that it isn't there.
      answer(response, 404, 'no such link', corsHeaders(request.headers.origin));
    }
  }

  #open(name: string, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    if (this.#isClosed) {
      answer(response, 503, 'the server is closing', corsHeaders(request.headers.origin));
      return;
    }
    const hearing = this.#host.hear(request);
    if ('refusal' in hearing) {
      answer(response, hearing.refusal.status, hearing.refusal.body, hearing.refusal.headers);
      return;
    }
    const { reception, peer } = hearing;
    const { origin } = request.headers;
    const headers = corsHeaders(origin);
    const { options } = reception;
    const offered = (headerOf(request, HEADER.protocols) ?? '').split(/[\s,]+/).filter((one) => one !== '');
    const chosen = chooseProtocol(offered, options.protocols);
    const plain = chosen === undefined ? options.dialectOf?.(peer) : undefined;
    const protocol = plain?.protocol ?? chosen ?? (offered.length === 0 ? STREAM_PROTOCOL.line : undefined);
    const address = peer.local ? undefined : peer.address;
    if (protocol === undefined) answer(response, 400, refuseProtocols(options.protocols).body, headers);
    else if (!NAME.test(name)) answer(response, 400, `${HEADER.link} is 16 to 64 letters, digits, - and _`, headers);
    else if (!this.#replace(name)) answer(response, 409, 'there is such a link', headers);
    else if (this.#isFull(address)) answer(response, 429, 'too many links', headers);
    else {
      const group = this.#groupOf(reception);
      const port = this.#portFor(name, group, address, options.loginWait);
      const framing = new ServerFraming(options.messageBytes, port.shelf);
      const link = byteStreamLink({ group, port, framing, protocol, peer });
      port.user = link;
      const secret = Buffer.from(group.world.random.bytes(SECRET_BYTES)).toString('base64url');
      const { heartbeat, pollWait, fetchWait, bodyWait } = this.#limits;
      this.#links.set(name, new Entry({ world: group.world, port, secret, origin, bodyWait }));
      this.#sockets.add(this.#host.socketOf(request));
      const opened: Opened = { link: name, secret, protocol, heartbeat, pollWait, fetchWait };
      respond(response, 201, JSON.stringify(opened), { 'Content-Type': 'application/json', ...headers });
      options.onLink(link);
      peer.settle(hearing.rawHeaders);
    }
  }

  /** A request to open that was sent twice, by a proxy for instance: the later one counts, until the link is in use. */
  #replace(name: string): boolean {
    const before = this.#links.get(name);
    if (before === undefined) return true;
    if (before.port.isFetched) return false;
    before.port.cut({ code: 1006, reason: 'opened again' });
    return true;
  }

  #isFull(address: string | undefined): boolean {
    const { links, unfetched } = this.#limits;
    if (this.#links.size >= links) return true;
    return address !== undefined && (this.#unfetched.get(address) ?? 0) >= unfetched;
  }

  #portFor(name: string, { world }: LinkGroup, address: string | undefined, loginWait: number): ServerPort {
    this.#count(address, 1);
    const port = new ServerPort({
      world,
      limits: this.#limits,
      loginWait,
      onFetched: () => this.#count(address, -1),
      onGone: () => {
        if (!port.isFetched) this.#count(address, -1);
        this.#links.delete(name);
        if (this.#links.size === 0) this.#whenEmpty?.();
      },
    });
    return port;
  }

  /** Peers of this machine are not counted. */
  #count(address: string | undefined, by: 1 | -1): void {
    if (address === undefined) return;
    const count = (this.#unfetched.get(address) ?? 0) + by;
    if (count > 0) this.#unfetched.set(address, count);
    else this.#unfetched.delete(address);
  }

  /** As the owner of the path has it, but that its links are called otherwise. */
  #groupOf(reception: Reception): LinkGroup {
    let group = this.#groups.get(reception);
    if (group === undefined) {
      group = new LinkGroup({ ...reception.group.options, transport: this.#host.scheme });
      this.#groups.set(reception, group);
    }
    return group;
  }
}
