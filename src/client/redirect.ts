import { type Endpoint, parseEndpoint } from '../transport/index.ts';
import type { Route } from './options.ts';

/**
 * The routes in the order in which they are dialled when the server of `here` sends its client away, to `urls` if possible. One that the
 * application has named itself goes to the front; another is followed only by the application's leave, and only by the same scheme, so that no
 * server can lead a client and its token elsewhere. `here` is the last, unless it is among them, as where several servers share an address.
 */
export function led(
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
