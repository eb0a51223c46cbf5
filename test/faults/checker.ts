import { checkLog } from './check-log.ts';
import { checkPlain } from './check-plain.ts';
import { checkPresence } from './check-presence.ts';
import type { Ledger, Verdict } from './ledger.ts';

/** Judges a run by what was said and heard, and by nothing else. */
export function check(ledger: Ledger): Verdict {
  const plain = ledger.plainRooms.map((room) => checkPlain(room, ledger));
  const heard = ledger.members.flatMap((member) => member.heard);
  const gaps: Record<string, number> = {};
  for (const event of heard) {
    if (event.kind === 'gap') gaps[event.reason ?? 'none'] = (gaps[event.reason ?? 'none'] ?? 0) + 1;
  }
  return {
    findings: [
      ...ledger.historyRooms.flatMap((room) => checkLog(room, ledger)),
      ...plain.flatMap(({ findings }) => findings),
      ...checkPresence(ledger),
    ],
    published: ledger.published.length,
    confirmed: ledger.published.filter(({ doneAt }) => doneAt !== undefined).length,
    heard: heard.filter(({ kind }) => kind === 'message').length,
    gaps,
    recovered: heard.filter(({ kind }) => kind === 'recovered').length,
    lostPlain: plain.flatMap(({ lost }) => lost),
    againPlain: plain.reduce((sum, { again }) => sum + again, 0),
  };
}
