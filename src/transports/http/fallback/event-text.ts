import type { CloseReason } from '../../../core/index.ts';

/** Events of the fallback's own, which have no number. */
export const READY = 'event: ready\ndata:\n\n';
/** What keeps proxies from taking a quiet stream for dead. */
export const SIGN_OF_LIFE = ':\n\n';

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;

/** One event as it is read. */
export interface StreamEvent {
  /** 0 where it has none. */
  readonly id: number;
  /** '' where it has none: a text message. */
  readonly kind: string;
  readonly data: Uint8Array;
}

/** The name and reason of a close event, and of the header that closes: `4321 enough%20now`. */
export function closeText({ code, reason }: CloseReason): string {
  return `${code} ${encodeURIComponent(reason)}`.trimEnd();
}

/** What it says; undefined when it says something else. */
export function readCloseText(text: string): CloseReason | undefined {
  const [, code, reason = ''] = /^(\d{4})(?: (\S*))?$/.exec(text) ?? [];
  if (code === undefined) return undefined;
  try {
    return { code: Number(code), reason: decodeURIComponent(reason) };
  } catch {
    return undefined;
  }
}

/** Where the last whole event in `bytes` ends; 0 when none does. It is known that none ends before `from`. */
export function wholeEvents(bytes: Uint8Array, from = 0): number {
  const late = bytes.subarray(from);
  for (let at = late.lastIndexOf(LF); at > 0; at = late.lastIndexOf(LF, at - 1)) {
    if (late[at - 1] === LF) return from + at + 1;
  }
  return 0;
}

/** Takes whole events apart; comments are left out. What is no line of an event is passed over, as browsers do. */
export function eventsIn(bytes: Uint8Array): StreamEvent[] {
  const events: StreamEvent[] = [];
  let id = 0;
  let kind = '';
  let data: Uint8Array | undefined;
  for (let at = 0; at < bytes.length; ) {
    const lf = bytes.indexOf(LF, at);
    const end = lf < 0 ? bytes.length : lf;
    const line = bytes.subarray(at, end > at && bytes[end - 1] === CR ? end - 1 : end);
    at = end + 1;
    if (line.length === 0) {
      if (data !== undefined) events.push({ id, kind, data });
      id = 0;
      kind = '';
      data = undefined;
      continue;
    }
    const colon = line.subarray(0, NAME_LENGTH).indexOf(COLON);
    const name = ascii(line.subarray(0, Math.max(0, colon)));
    const value = line.subarray(colon + (line[colon + 1] === SPACE ? 2 : 1));
    if (name === 'id') id = Number(ascii(value.subarray(0, NUMBER_LENGTH)));
    else if (name === 'event') kind = ascii(value.subarray(0, NAME_LENGTH));
    else if (name === 'data') data = value;
  }
  return events;
}

const NAME_LENGTH = 16;
const NUMBER_LENGTH = 16;

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
