import type { Peer, PeerCertificate } from '../../transport/index.ts';
import { type Headers, packHeaders, unpackHeaders } from '../../websocket/index.ts';
import type { Stranger } from '../sockets.ts';

/**
 * Who sent an upgrade. An idle connection keeps the text of its headers alone: once it has settled they are taken apart whenever someone
 * looks, which few do twice.
 */
export class UpgradePeer implements Peer {
  readonly address: string;
  readonly port: number;
  readonly local: boolean;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  declare readonly proxied?: true;
  declare readonly certificate?: PeerCertificate;
  /** All headers; from `settle` on the text of those that it does not share. */
  #own: Headers | string;
  #alike = '';

  constructor(stranger: Stranger, path: string, query: Readonly<Record<string, string>>, headers: Headers) {
    this.address = stranger.address;
    this.port = stranger.port;
    this.local = stranger.local;
    this.path = path;
    this.query = query;
    this.#own = headers;
    if (stranger.proxied === true) this.proxied = true;
    if (stranger.certificate !== undefined) this.certificate = stranger.certificate;
  }

  get headers(): Headers {
    const own = this.#own;
    return typeof own === 'string' ? unpackHeaders({ own, alike: this.#alike }) : own;
  }

  /** Whoever lets it in has looked. */
  settle(rawHeaders: readonly string[]): void {
    const { own, alike } = packHeaders(rawHeaders);
    this.#own = own;
    this.#alike = alike;
  }
}
