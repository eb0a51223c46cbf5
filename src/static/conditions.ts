import type { IncomingHttpHeaders } from 'node:http';

/** What tells one state of a file from another. */
export interface Validators {
  /** With its quotes, and `W/` where it is weak. */
  readonly etag: string;
  /** An HTTP date. */
  readonly lastModified: string;
}

/** What the preconditions of a GET or HEAD come to (RFC 9110 13.2.2). */
export type Verdict = 'go-on' | 'not-modified' | 'failed';

export function judge(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): Verdict {
  const match = headers['if-match'];
  if (match !== undefined) {
    if (!lists(match, etag, isSameStrongly)) return 'failed';
  } else if (isLater(lastModified, headers['if-unmodified-since'])) return 'failed';
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) return lists(noneMatch, etag, isSameWeakly) ? 'not-modified' : 'go-on';
  const since = headers['if-modified-since'];
  if (since === undefined || Number.isNaN(Date.parse(since))) return 'go-on';
  return isLater(lastModified, since) ? 'go-on' : 'not-modified';
}

/** Whether a range may be taken of this state of the file (RFC 9110 13.1.5): only if it is the one of which the client has the rest. */
export function allowsRange(condition: string | undefined, { etag, lastModified }: Validators): boolean {
  if (condition === undefined) return true;
  if (condition.endsWith('"')) return isSameStrongly(condition, etag);
  // A date is a strong validator only where the entity tag beside it is (8.8.2.2).
  return condition === lastModified && !etag.startsWith('W/');
}

/** RFC 9110 8.8.3: a list, commas in the tags allowed. */
const TAGS = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

function lists(list: string, etag: string, isSame: (a: string, b: string) => boolean): boolean {
  if (list === etag) return isSame(list, etag);
  return list.trim() === '*' || (list.match(TAGS) ?? []).some((one) => isSame(one, etag));
}

function isSameStrongly(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/');
}

function isSameWeakly(a: string, b: string): boolean {
  return a.replace(/^W\//, '') === b.replace(/^W\//, '');
}

/** False where one of them is no date. */
function isLater(date: string, than: string | undefined): boolean {
  return than !== undefined && date !== than && Date.parse(date) > Date.parse(than);
}
