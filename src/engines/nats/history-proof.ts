import type { BytesRead, GapReason, LoggedBytes, Position } from '../../engine/index.ts';

/** What a stream keeps of one room. */
export interface Kept {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly mark?: Mark | undefined;
}

/** What an entry without a message says. */
export interface Mark {
  /** Where the room's log stood: the offset of the last message, or of this mark, when it begins the log. */
  readonly last: number;
  /** The newest entry, of whatever kind, on condition of which it was added; 0 for none. */
  readonly after: number;
}

/** A room's part of a stream. The answers are of one server: what it removed once it never shows again. */
export interface RoomSource {
  newest(): Promise<Kept | undefined>;
  /** The first one at `offset` or after it. */
  next(offset: number): Promise<Kept | undefined>;
  /** Adds a mark to a log of which nothing is kept, unless another node was first; then that one's. */
  begin(): Promise<Kept>;
}

export interface ProofBounds {
  readonly since: Position | undefined;
  readonly most: number;
  /** Messages that the rule keeps. */
  readonly size: number;
  /** Entries that the stream keeps of one room. */
  readonly kept: number;
  /**
   * Servers of a cluster look at the condition of a mark before they agree on what comes first (up to 2.10), so that a message may have come
   * between that has not been seen.
   */
  readonly doubtsMarks?: boolean;
  /** Told what the newest entry and the last message are. */
  readonly found?: (newest: number, last: number) => void;
}

/**
 * All that came after a place, or why that can't be said.
 *
 * A stream numbers the entries of all its rooms together, and an entry doesn't say which was before it in its room. So what was removed
 * between two entries leaves no trace in them. The proof that nothing is missing rests on this: a room's entries are only ever removed
 * oldest first, by number as by age.
 *
 * 1. If the entry at `since` is still kept, then all after it were kept when they were listed. It is looked for after the listing, for what
 *    is kept later was kept before.
 * 2. If the first one that is kept after `since` is a mark that says that the last message before it was the one at `since`, then nothing
 *    was between them, for a mark is added only if the entry that its maker had seen last is the last indeed. And all after the mark were kept
 *    if the mark still is, after the listing.
 * 3. If the log stands at `since`, nothing came.
 *
 * With replicas a mark may say so though a message came just before it. That one is found as long as it is kept, which is as long as the mark is,
 * but for the moment between the removal of the two.
 *
 * As each message has only one place, what is listed has its predecessors: the message before it, across marks.
 */
export async function readRoom(source: RoomSource, epoch: string, bounds: ProofBounds): Promise<BytesRead> {
  const { since, most, size, kept, doubtsMarks = false } = bounds;
  const { newest, last } = await standing(source, doubtsMarks);
  const position = { offset: last, epoch };
  bounds.found?.(newest.offset, position.offset);
  const refuse = (reason: GapReason): BytesRead => ({ isWhole: false, reason, position });
  if (since === undefined) return { isWhole: true, entries: [], position };
  if (since.epoch !== epoch) return refuse('epoch');
  if (since.offset > position.offset) return refuse('unknown');
  if (since.offset === position.offset) return { isWhole: true, entries: [], position };
  const listed = await list(source, since.offset + 1, newest.offset, Math.min(most, size, kept) + MARKS_MOST + 1);
  const [first] = listed;
  const messages = listed.filter(({ mark }) => mark === undefined);
  if (first === undefined || listed.length >= kept || messages.length > size) return refuse('expired');
  if (messages.length > most) return refuse('too-many');
  const witness = first.mark?.last === since.offset ? first.offset : since.offset;
  if ((await source.next(witness))?.offset !== witness) return refuse('expired');
  let previous = since.offset;
  const entries = messages.map(({ bytes, offset }): LoggedBytes => {
    const entry = { bytes, offset, previous };
    previous = offset;
    return entry;
  });
  return { isWhole: true, entries, position: { offset: previous, epoch } };
}

/** The newest entry, and where the log stands: at the last message. */
async function standing(source: RoomSource, doubtsMarks: boolean): Promise<{ newest: Kept; last: number }> {
  for (;;) {
    const newest = (await source.newest()) ?? (await source.begin());
    const { offset, mark } = newest;
    if (mark === undefined) return { newest, last: offset };
    if (!doubtsMarks || mark.last === offset) return { newest, last: mark.last };
    const walked = await walk(source, mark.after + 1, offset, { left: DOUBTED_MOST });
    const last = walked.findLast((entry) => entry.mark === undefined)?.offset ?? mark.last;
    // Otherwise it was removed meanwhile, and so may have been what was before it.
    if (walked.at(-1)?.offset === offset) return { newest, last };
  }
}

/** Messages that can have come just before a mark. */
const DOUBTED_MOST = 10_000;

/** Marks that can be in a stream at one time, for their number is bounded by its age. */
export const MARKS_MOST = 4;

/** Entries that are asked for one after the other, before the rest is asked for in parts at the same time. */
const IN_A_ROW = 16;
const PARTS = 8;

/** What is kept from one number to another; at least `most` of it when there is so much. */
async function list(source: RoomSource, from: number, to: number, most: number): Promise<readonly Kept[]> {
  const first = await walk(source, from, to, { left: Math.min(IN_A_ROW, most) });
  const last = first.at(-1);
  if (last === undefined || first.length < IN_A_ROW || last.offset >= to || first.length >= most) return first;
  const length = Math.ceil((to - last.offset) / PARTS);
  // The last answer of each part may be of no use.
  const budget = { left: most - first.length + PARTS };
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const start = last.offset + 1 + part * length;
    return walk(source, start, Math.min(to, start + length - 1), budget);
  });
  return [...first, ...(await Promise.all(parts)).flat()];
}

async function walk(source: RoomSource, from: number, to: number, budget: { left: number }): Promise<readonly Kept[]> {
  const walked: Kept[] = [];
  for (let at = from; at <= to && budget.left > 0; ) {
    budget.left--;
    const next = await source.next(at);
    if (next === undefined || next.offset > to) break;
    walked.push(next);
    at = next.offset + 1;
  }
  return walked;
}
