import { type Endpoint, parseEndpoint } from '../transport/index.ts';
import type { ResolvedConnectOptions, Route } from './options.ts';

/** Where a client goes whose server sends it away. On a page there is none: it comes back by its URLs, as after any loss. */
export class Redirects {
  /** The route of the link, or of the last one. */
  here: Route | undefined;
  /** What the server said that goes; undefined while none does. */
  urls: readonly string[] | undefined;
  readonly #given: readonly Route[];
  readonly #options: ResolvedConnectOptions;

  constructor(given: readonly Route[], options: ResolvedConnectOptions) {
    this.#given = given;
    this.#options = options;
  }

  /** A link is up. */
  arrived(route: Route): void {
    this.here = route;
    this.urls = undefined;
  }

  /** The routes in the order in which they are dialled now, once after the server has named others. */
  take(): readonly Route[] | undefined {
    const { urls } = this;
    this.urls = undefined;
    return urls && led(this.#given, this.here, urls, (url) => this.#mayFollow(url));
  }

  #mayFollow(url: string): boolean {
    const { followRedirects, onError } = this.#options;
    try {
      return typeof followRedirects === 'function' ? followRedirects(url) : followRedirects;
    } catch (error) {
      onError(error, 'followRedirects');
      return false;
    }
  }
}

/**
 * One that the application has named itself goes to the front; another is followed only by the application's leave, and only by the same
 * scheme, so that no server can lead a client and its token elsewhere. `here` is the last, unless it is among them, as where several servers
 * share an address.
 */
function led(
  routes: readonly Route[],
  here: Route | undefined,
  urls: readonly string[],
  mayFollow: (url: string) => boolean,
): readonly Route[] {
  const first = urls.flatMap((url) => {
    const place = placeIn(url);
    const known = routes.filter(({ endpoint }) => place && isSame(endpoint, place));
    if (!place || !here || known.length > 0 || place.scheme !== here.endpoint.scheme || !mayFollow(url)) return known;
    const { host, port } = place;
    return [{ ...here, endpoint: { ...here.endpoint, host, port } }];
  });
  return [...new Set([...first, ...routes.filter((route) => route !== here), ...routes])];
}

/** Undefined for what is no URL. */
function placeIn(url: string): Endpoint | undefined {
  try {
    return parseEndpoint(url);
  } catch {
    return undefined;
  }
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.scheme === other.scheme && one.host === other.host && one.port === other.port;
}
