import type { Finding, FindingKind, HeardChange, Ledger, MemberLog, Presence } from './ledger.ts';

/**
 * Judges presence: after quiet all nodes know who is in a room; in one session a member hears of each other one `joined` and `left` in turn,
 * and ends with the truth.
 */
export function checkPresence({ presence, members }: Ledger): Finding[] {
  return presence.flatMap((one) => [...checkAnswers(one), ...members.flatMap((member) => checkChanges(one, member))]);
}

function checkAnswers({ room, truth, answers }: Presence): Finding[] {
  return answers.flatMap(({ node, ids }) => {
    const missing = truth.filter((id) => !ids.includes(id));
    const ghosts = ids.filter((id) => !truth.includes(id));
    const twice = ids.length - new Set(ids).size;
    if (missing.length + ghosts.length + twice === 0) return [];
    const words = `${missing.length} missing, ${ghosts.length} that are gone, ${twice} twice, of ${truth.length}`;
    return [{ kind: 'presence', room, who: node, words }];
  });
}

function checkChanges({ room, truth }: Presence, { name, heard, hasLeft }: MemberLog): Finding[] {
  const findings: Finding[] = [];
  const tell = (kind: FindingKind, words: string): void => void findings.push({ kind, room, who: name, words });
  let session = '';
  let latest = new Map<string, HeardChange['kind']>();
  for (const event of heard) {
    if (event.kind === 'up' && event.id !== session) {
      session = event.id;
      latest = new Map();
    }
    if ((event.kind !== 'joined' && event.kind !== 'left') || event.room !== room) continue;
    if (latest.get(event.member) === event.kind) tell('flapping', `${event.member} ${event.kind} twice in a row`);
    latest.set(event.member, event.kind);
  }
  if (hasLeft) return findings;
  for (const [id, change] of latest) {
    if (id !== session && (change === 'joined') !== truth.includes(id)) {
      tell('presence', `last heard that ${id} ${change}, and ${truth.includes(id) ? 'it is in' : 'it is gone'}`);
    }
  }
  return findings;
}
