export { dialFallback, makeFallback } from './fallback/index.ts';
