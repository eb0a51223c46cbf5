import type { MakeFallback } from '../contract.ts';
import { FallbackServer } from './server.ts';

export { dialFallback } from './node.ts';

/** @throws HawserError ERR_OPTION. */
export const makeFallback: MakeFallback = (host) => {
  const { fallback } = host.lobby.options.net ?? {};
  if (fallback === false) return { take: () => false, keeps: () => false, close: () => undefined };
  return new FallbackServer(host, fallback);
};
