import type { Endpoint } from '../transport/index.ts';

/** Path and query of an endpoint as they are sent: escaped, and without what is this side's own business. */
export function targetOf(endpoint: Endpoint): string {
  const path = endpoint.path.split('/').map(encodeURIComponent).join('/');
  const query = new URLSearchParams(endpoint.query).toString();
  return `${path === '' ? '/' : path}${query === '' ? '' : `?${query}`}`;
}
