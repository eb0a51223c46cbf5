import { nameOf } from './check-log.ts';
import type { Finding, FindingKind, HeardMessage, Ledger, MemberLog, Published, Span } from './ledger.ts';

export interface PlainVerdict {
  readonly findings: readonly Finding[];
  /** When those were asked for that were lost while something was wrong. */
  readonly lost: readonly number[];
  readonly again: number;
}

/**
 * Judges one room without history: in one session a member gets the messages of each session of a publisher in their order and once, and what was published
 * while nothing was wrong, it gets.
 */
export function checkPlain(room: string, ledger: Ledger): PlainVerdict {
  const findings: Finding[] = [];
  const published = ledger.published.filter((one) => one.room === room);
  const tried = new Set(published.map(nameOf));
  const lost: number[] = [];
  let again = 0;
  for (const member of ledger.members) {
    const tell = (kind: FindingKind, words: string): void =>
      void findings.push({ kind, room, who: member.name, words });
    const messages = messagesOf(member, room);
    for (const message of messages) if (!tried.has(nameOf(message))) tell('invented', nameOf(message));
    again += checkSessions(member, room, tell);
    if (member.hasLeft) continue;
    const had = new Set(messages.map(nameOf));
    const missing = published.filter((one) => one.doneAt !== undefined && !had.has(nameOf(one)));
    for (const one of missing) {
      if (isCalm(one, ledger.calm)) tell('lost', `${nameOf(one)}, published while nothing was wrong`);
      else lost.push(one.askedAt);
    }
  }
  return { findings, lost, again };
}

/** @returns how many messages came again in a later session. */
function checkSessions({ heard }: MemberLog, room: string, tell: (kind: FindingKind, words: string) => void): number {
  const before = new Set<string>();
  let session = '';
  let latest = new Map<string, number>();
  let had = new Set<string>();
  let again = 0;
  for (const event of heard) {
    if (event.kind === 'up' && event.id !== session) {
      session = event.id;
      for (const name of had) before.add(name);
      latest = new Map();
      had = new Set();
    }
    if (event.kind !== 'message' || event.room !== room) continue;
    const name = nameOf(event);
    const last = latest.get(event.by) ?? 0;
    if (had.has(name)) tell('doubled', `${name} again, after ${last}`);
    else if (event.number < last) tell('swapped', `${name}, after ${last}`);
    if (before.has(name)) again += 1;
    had.add(name);
    latest.set(event.by, Math.max(last, event.number));
  }
  return again;
}

function messagesOf({ heard }: MemberLog, room: string): readonly HeardMessage[] {
  return heard.filter((event): event is HeardMessage => event.kind === 'message' && event.room === room);
}

function isCalm({ askedAt, doneAt = Infinity }: Published, calm: readonly Span[]): boolean {
  return calm.some(({ from, to }) => askedAt >= from && doneAt <= to);
}
