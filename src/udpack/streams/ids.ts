/** What a stream carries: whole packets, or bytes without bounds. */
export type StreamKind = 'packets' | 'bytes';

/** A side of a session: who dialled is the client. */
export type Role = 'client' | 'server';

/** More streams than this can't be named: ids are varints. */
export const STREAM_NUMBER_MOST: number = 2 ** 51 - 1;

/** The id of the stream with number `number` of a kind: 4 n + 2 k + s. */
export function streamId(number: number, kind: StreamKind, opener: Role): number {
  return number * 4 + kindBit(kind) * 2 + (opener === 'server' ? 1 : 0);
}

export function numberOf(stream: number): number {
  return Math.floor(stream / 4);
}

export function kindOf(stream: number): StreamKind {
  return stream % 4 >= 2 ? 'bytes' : 'packets';
}

export function openerOf(stream: number): Role {
  return stream % 2 === 1 ? 'server' : 'client';
}

/** The number of a kind in frames. */
export function kindBit(kind: StreamKind): 0 | 1 {
  return kind === 'bytes' ? 1 : 0;
}
