import { type CloseReason, HawserError, mayComeBack, mayPass } from '../core/index.ts';

/** What failed an attempt, by a code. */
export function asHawserError(error: unknown): HawserError {
  if (error instanceof HawserError) return error;
  return new HawserError('ERR_CONNECT_FAILED', undefined, { cause: error });
}

/** Whether trying again can help. */
export function isPassing({ code, cause, data }: HawserError): boolean {
  if (code === 'ERR_DISCONNECTED') return mayComeBack((cause as CloseReason).code);
  if (code !== 'ERR_HANDSHAKE_REFUSED') return mayPass(code);
  const refusal = data as { readonly status?: number; readonly code?: string } | undefined;
  return isPassingStatus(refusal?.status ?? 0) || mayPass(refusal?.code ?? '');
}

/** HTTP: too many requests, or the server's own trouble. */
function isPassingStatus(status: number): boolean {
  return status === 429 || status >= 500;
}
