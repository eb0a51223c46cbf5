import type { IncomingMessage } from 'node:http';
import type { World } from '../../../core/index.ts';

/** Why a body was not taken in, as an HTTP status; 0 when its connection broke. */
export type BodyFailure = 0 | 408 | 413;

/**
 * Reads a whole body of `most` bytes at the most. Announced lengths are looked at before memory is taken.
 * @returns What stops the reading: `done` is not called then.
 */
export function readBody(
  request: IncomingMessage,
  world: World,
  { most, wait }: { readonly most: number; readonly wait: number },
  done: (body: Uint8Array | BodyFailure) => void,
): () => void {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const settle = (result: Uint8Array | BodyFailure | undefined): void => {
    timer.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onClose);
    // What still comes is dropped.
    request.resume();
    if (result !== undefined) done(result);
  };
  const onData = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > most) settle(413);
    else chunks.push(chunk);
  };
  const onEnd = (): void => settle(Buffer.concat(chunks, length));
  const onClose = (): void => settle(0);
  const timer = world.timer(world.now() + wait, () => settle(408));
  request.on('error', () => undefined);
  if (Number(request.headers['content-length'] ?? 0) > most) {
    settle(413);
    return () => undefined;
  }
  request.on('data', onData).on('end', onEnd).on('close', onClose);
  return () => settle(undefined);
}
