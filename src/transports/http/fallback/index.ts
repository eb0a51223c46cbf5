import type { MakeFallback } from '../contract.ts';
import { FallbackServer } from './server.ts';

export { dialFallback } from './node.ts';
export { FALLBACK_LIMITS, FALLBACK_TIMES, type FallbackSettings } from './settings.ts';

export const makeFallback: MakeFallback = (host) => new FallbackServer(host);
