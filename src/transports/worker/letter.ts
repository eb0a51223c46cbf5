/** The version of what threads say to each other; threads of another one don't hear. */
export const VERSION = 1;

/** Bytes that a side posts ahead of their acknowledgement; one message may be over it. Half-read memory has this bound. */
export const WINDOW_BYTES = 262_144;

/** How a thread came to its end, as far as it could say. */
export interface ThreadEnd {
  /** What it handed to `process.exit`; 1 after an uncaught error, or when it was terminated. */
  readonly exitCode: number;
  /** What was thrown and not caught. */
  readonly error?: { readonly name: string; readonly message: string };
}

/** What one side of a port posts to the other. */
export type Letter =
  /** `taken` bytes more were handed on since the last letter; then chunks, each of whole frames (docs/PROTOCOL.md 2.2). */
  | { readonly kind: 'data'; readonly taken: number; readonly chunks: readonly Uint8Array[] }
  /** The link was cut. */
  | { readonly kind: 'broken'; readonly why: string }
  /** The thread is about to end. */
  | { readonly kind: 'ended'; readonly end: ThreadEnd };

/** The first word on a port, from the side that listens. */
export type Answer =
  | { readonly kind: 'welcome'; readonly protocol: string }
  | { readonly kind: 'refuse'; readonly code: number; readonly reason: string; readonly status: number };

/** Reads what was posted; any value can come. Undefined for what is no letter. Doesn't throw. */
export function readLetter(posted: unknown): Letter | undefined {
  if (!Array.isArray(posted)) return undefined;
  const [head, ...rest] = posted as unknown[];
  if (typeof head === 'number') return readData(head, rest);
  const [first] = rest;
  if (head === 'broken' && typeof first === 'string') return { kind: 'broken', why: first };
  if (head === 'ended') return readEnd(first);
  return undefined;
}

export function readAnswer(posted: unknown): Answer | undefined {
  if (!Array.isArray(posted)) return undefined;
  const [kind, first, reason, status] = posted as unknown[];
  if (kind === 'welcome' && typeof first === 'string') return { kind, protocol: first };
  if (kind !== 'refuse' || typeof first !== 'number') return undefined;
  if (typeof reason !== 'string' || typeof status !== 'number') return undefined;
  return { kind, code: first, reason, status };
}

function readData(taken: number, chunks: readonly unknown[]): Letter | undefined {
  if (!Number.isSafeInteger(taken) || taken < 0 || !chunks.every(isOwnBytes)) return undefined;
  return { kind: 'data', taken, chunks };
}

/** Some bytes that the other thread can't change while they are read: shared memory is refused. */
function isOwnBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.buffer instanceof ArrayBuffer && value.length > 0;
}

function readEnd(value: unknown): Letter | undefined {
  const { exitCode, error } = (value ?? {}) as { exitCode?: unknown; error?: unknown };
  if (typeof exitCode !== 'number') return undefined;
  if (error === undefined) return { kind: 'ended', end: { exitCode } };
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  if (typeof name !== 'string' || typeof message !== 'string') return undefined;
  return { kind: 'ended', end: { exitCode, error: { name, message } } };
}
