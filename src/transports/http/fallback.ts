import { HawserError } from '../../core/index.ts';
import type { Transport } from '../../transport/index.ts';
import type { MakeFallback } from './contract.ts';

/** Takes nothing. */
export const makeFallback: MakeFallback = () => ({ take: () => false, close: () => undefined });

export const dialFallback: Transport['dial'] = async ({ scheme }) => {
  throw new HawserError('ERR_URL', `nothing is dialled by '${scheme}:'`);
};
