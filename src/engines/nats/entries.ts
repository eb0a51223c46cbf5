import type { StoredMsg } from '@nats-io/jetstream';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { Numbered } from './held.ts';
import type { Kept, Mark } from './history-proof.ts';
import { epochIn, pathOf } from './names.ts';

/** Header of an entry without a message: where its room's log stands; 0 for one that begins a log. */
export const MARK = 'Hawser-Mark';
export const EXPECTED = 'Nats-Expected-Last-Subject-Sequence';
/** Ids that may stand in a header as they are. */
const PLAIN_ID = /^[\x21-\x7e]{1,128}$/;

/** An entry as the stream has published it again. */
export interface Heard extends Numbered {
  readonly epoch: string;
  readonly bytes: Uint8Array;
  readonly mark: Mark | undefined;
}

/** Undefined for what is none of the stream's. */
export function heardIn(message: Msg, stream: string): Heard | undefined {
  const { headers } = message;
  const offset = Number(headers?.get('Nats-Sequence') || Number.NaN);
  const before = Number(headers?.get('Nats-Last-Sequence') || Number.NaN);
  const isOurs = headers?.get('Nats-Stream') === stream;
  if (!isOurs || !Number.isSafeInteger(offset) || !Number.isSafeInteger(before)) return undefined;
  return { epoch: epochIn(message.subject), offset, before, bytes: message.data, mark: markOf(headers, offset) };
}

export function keptIn({ seq, data, header }: StoredMsg): Kept {
  return { offset: seq, bytes: data, mark: markOf(header, seq) };
}

/** What a mark says; undefined for a message. A wrong one says nothing that could be believed, so that it begins the log anew. */
function markOf(headers: MsgHdrs | undefined, offset: number): Mark | undefined {
  if (headers === undefined || !headers.has(MARK)) return undefined;
  const [last, after] = [Number(headers.get(MARK)), Number(headers.get(EXPECTED))];
  const isRight = Number.isSafeInteger(last) && last > 0 && last <= after && after < offset;
  return isRight ? { last, after } : { last: offset, after: 0 };
}

/** Ids are of one room each, while a stream knows them for all its rooms. */
export function messageId(path: string, id: string): string {
  const isPlain = PLAIN_ID.test(id) && !id.startsWith('~');
  return `${path} ${isPlain ? id : pathOf(id, '')}`;
}
