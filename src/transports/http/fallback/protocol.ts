/** Headers of the fallback, lower case. docs/PROTOCOL.md 2.6 says what each means. */
export const HEADER = {
  /** The link's name, which its client chose: every request of the fallback has it. */
  link: 'hawser-link',
  /** What proves that a request is of the link: every request but the one that opens it has it. */
  secret: 'hawser-secret',
  protocols: 'hawser-protocols',
  /** How the answer to a GET is to come: one of `MODES`. */
  mode: 'hawser-mode',
  /** The number of a POST that carries messages. */
  batch: 'hawser-batch',
  /** The last event that was heard, on a POST; on a GET it is `last`. */
  ack: 'hawser-ack',
  /** Ends the link: a code and, percent-encoded, a reason. */
  close: 'hawser-close',
  last: 'last-event-id',
} as const;

/**
 * How events come: in an answer that never ends; in one that begins with so many bytes of nothing that a proxy which holds back the first few
 * thousand passes them on; or, where a proxy holds back all until the end, each time in an answer that ends.
 */
export const MODES = ['stream', 'padded', 'poll'] as const;
export type Mode = (typeof MODES)[number];

export function isMode(text: string): text is Mode {
  return (MODES as readonly string[]).includes(text);
}

export const EVENTS_TYPE = 'text/event-stream';
export const FRAMES_TYPE = 'application/octet-stream';

/** The bytes of `padded`. */
export const PADDING_BYTES = 4096;
/** The most that one POST carries, in bytes. */
export const BATCH_BYTES = 262_144;
/** A client says what it has heard at the latest after so many bytes, so that the server need not keep more. */
export const ACK_BYTES = 131_072;

/** What the server answers to the request that opens a link. */
export interface Opened {
  readonly link: string;
  readonly secret: string;
  readonly protocol: string;
  /** ms between two signs of life on a stream. */
  readonly heartbeat: number;
  /** How long a poll may stay without an answer, ms. */
  readonly pollWait: number;
  /** How long the link outlives its last GET, ms. */
  readonly fetchWait: number;
}

/** What `text` says of an opened link; undefined when it says something else. */
export function readOpened(text: string): Opened | undefined {
  try {
    const said = JSON.parse(text) as Partial<Opened> | null;
    const { link, secret, protocol, heartbeat, pollWait, fetchWait } = said ?? {};
    if (typeof link !== 'string' || typeof secret !== 'string' || typeof protocol !== 'string') return undefined;
    if (!isTime(heartbeat) || !isTime(pollWait) || !isTime(fetchWait)) return undefined;
    return { link, secret, protocol, heartbeat, pollWait, fetchWait };
  } catch {
    return undefined;
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value > 0;
}
