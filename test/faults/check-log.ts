import type { Finding, FindingKind, HeardMessage, HeardPlace, Ledger, MemberLog } from './ledger.ts';

/** What stands where in the log of one room, as far as anybody has said so. */
export class KnownLog {
  readonly #epochs = new Map<string, Map<number, string>>();
  readonly #sorted = new Map<string, readonly number[]>();

  /** @returns what was there before, when that is another message. */
  add(epoch: string, offset: number, message: string): string | undefined {
    const epochs = this.#epochs.get(epoch) ?? new Map<number, string>();
    this.#epochs.set(epoch, epochs);
    this.#sorted.delete(epoch);
    const before = epochs.get(offset);
    if (before === undefined) epochs.set(offset, message);
    return before === message ? undefined : before;
  }

  get epochs(): Iterable<[string, ReadonlyMap<number, string>]> {
    return this.#epochs;
  }

  /** What is known to be behind `after` and before `before`. */
  between(epoch: string, after: number, before: number): readonly string[] {
    const entries = this.#epochs.get(epoch);
    return this.#offsets(epoch)
      .filter((offset) => offset > after && offset < before)
      .map((offset) => `${entries?.get(offset)} at ${offset}`);
  }

  #offsets(epoch: string): readonly number[] {
    const sorted = this.#sorted.get(epoch) ?? [...(this.#epochs.get(epoch)?.keys() ?? [])].toSorted((a, b) => a - b);
    this.#sorted.set(epoch, sorted);
    return sorted;
  }
}

type Tell = (kind: FindingKind, who: string, words: string) => void;
type LogEvent = HeardMessage | HeardPlace;

/**
 * Judges one room with history: each member got all of the log between any two places that it was told, in its order and once; or a `gap`
 * stands between them.
 */
export function checkLog(room: string, ledger: Ledger): Finding[] {
  const findings: Finding[] = [];
  const tell: Tell = (kind, who, words) => findings.push({ kind, room, who, words });
  const logs = ledger.members.map((member) => ({ ...member, events: eventsOf(member, room) }));
  const known = knownOf(room, ledger, logs, tell);
  for (const { name, events } of logs) checkMember(events, known, (kind, words) => tell(kind, name, words));
  const staying = logs.filter(({ hasLeft }) => !hasLeft);
  checkLast(staying, known, lastEpochOf(room, ledger), tell);
  for (const { name, events } of logs) checkGaps(events, ledger.mayGap, (words) => tell('needless-gap', name, words));
  for (const member of ledger.members) checkMissed(member, room, (words) => tell('lost', member.name, words));
  checkPublishers(known, hasLostItsEnd(logs), tell);
  return findings;
}

function eventsOf({ heard }: MemberLog, room: string): readonly LogEvent[] {
  return heard.filter((event): event is LogEvent => {
    if (event.kind !== 'message' && event.kind !== 'positioned' && event.kind !== 'recovered' && event.kind !== 'gap')
      return false;
    return event.room === room;
  });
}

/** The union of what members heard and of what publishers were told. */
function knownOf(
  room: string,
  { published }: Ledger,
  logs: readonly { readonly name: string; readonly events: readonly LogEvent[] }[],
  tell: Tell,
): KnownLog {
  const known = new KnownLog();
  const tried = new Set(published.filter((one) => one.room === room).map(nameOf));
  for (const one of published) {
    if (one.room !== room || one.place === undefined) continue;
    const other = known.add(one.place.epoch, one.place.offset, nameOf(one));
    if (other !== undefined) {
      tell('two-orders', one.publisher, `${nameOf(one)} and ${other} were both confirmed at ${one.place.offset}`);
    }
  }
  for (const { name, events } of logs) {
    let epoch: string | undefined;
    for (const event of events) {
      if (event.kind !== 'message') {
        epoch = event.epoch;
        continue;
      }
      if (!tried.has(nameOf(event))) tell('invented', name, nameOf(event));
      if (event.offset === undefined || epoch === undefined) {
        tell('unplaced', name, `${nameOf(event)}, ${event.offset === undefined ? 'no offset' : 'no epoch'}`);
        continue;
      }
      const other = known.add(epoch, event.offset, nameOf(event));
      if (other !== undefined)
        tell('two-orders', name, `${nameOf(event)} at ${event.offset} of ${epoch}, where ${other} is`);
    }
  }
  return known;
}

function checkMember(
  events: readonly LogEvent[],
  known: KnownLog,
  tell: (kind: FindingKind, words: string) => void,
): void {
  const had = new Map<string, Set<string>>();
  let epoch: string | undefined;
  let last = 0;
  for (const event of events) {
    if (event.kind === 'gap' || epoch === undefined) {
      if (event.kind === 'message') return; // told as unplaced
      const isBack = event.epoch === epoch && event.offset < last;
      // A log that lost its end, and does not know what the member had of it.
      if (isBack && event.reason !== 'unknown') tell('swapped', `a gap up to ${event.offset}, after ${last}`);
      // What it lost, it may be given again: with the entries it forgot their ids.
      if (isBack) had.delete(event.epoch);
      last = isBack ? last : event.offset;
      epoch = event.epoch;
      continue;
    }
    if (event.kind !== 'message') {
      if (event.epoch !== epoch) {
        tell('lost', `${event.kind} in log ${event.epoch}, after ${last} of ${epoch}, without a gap`);
        epoch = event.epoch;
        last = event.offset;
      } else if (event.kind === 'positioned') {
        const missing = known.between(epoch, last, event.offset + 1);
        if (missing.length > 0) tell('lost', `${listed(missing)}: began again at ${event.offset}, after ${last}`);
        last = Math.max(last, event.offset);
      }
      continue;
    }
    const { offset = 0 } = event;
    const seen = had.get(epoch) ?? new Set<string>();
    had.set(epoch, seen);
    if (seen.has(nameOf(event))) tell('doubled', `${nameOf(event)} again at ${offset}, after ${last}`);
    else if (offset <= last) tell('swapped', `${nameOf(event)} at ${offset}, after ${last}`);
    seen.add(nameOf(event));
    const missing = known.between(epoch, last, offset);
    if (missing.length > 0) tell('lost', `${listed(missing)}: between ${last} and ${offset}`);
    last = Math.max(last, offset);
  }
}

/** At the end all members are where the log is. */
function checkLast(
  logs: readonly { readonly name: string; readonly events: readonly LogEvent[] }[],
  known: KnownLog,
  epoch: string | undefined,
  tell: Tell,
): void {
  if (epoch === undefined) return;
  for (const { name, events } of logs) {
    const at = placeAfter(events);
    if (at === undefined) tell('lost', name, 'never had a place in the room');
    else if (at.epoch !== epoch) tell('lost', name, `ends in log ${at.epoch}; it is ${epoch} now, and no gap was told`);
    else {
      const missing = known.between(epoch, at.offset, Infinity);
      if (missing.length > 0) tell('lost', name, `${listed(missing)}: behind ${at.offset}, the last that came`);
    }
  }
}

function placeAfter(events: readonly LogEvent[]): { epoch: string; offset: number } | undefined {
  let place: { epoch: string; offset: number } | undefined;
  for (const event of events) {
    if (event.kind === 'message') {
      if (place !== undefined) place.offset = Math.max(place.offset, event.offset ?? 0);
    } else if (place?.epoch === event.epoch) {
      if (event.kind === 'gap') place.offset = Math.max(place.offset, event.offset);
    } else place = { epoch: event.epoch, offset: event.offset };
  }
  return place;
}

function lastEpochOf(room: string, { published }: Ledger): string | undefined {
  const confirmed = published.filter((one) => one.room === room && one.place !== undefined);
  const last = confirmed.toSorted((a, b) => (a.doneAt ?? 0) - (b.doneAt ?? 0)).at(-1);
  return last?.place?.epoch;
}

function checkGaps(events: readonly LogEvent[], may: Ledger['mayGap'], tell: (words: string) => void): void {
  for (const event of events) {
    if (event.kind !== 'gap') continue;
    const { at, reason } = event;
    if (may.some((one) => one.room === event.room && one.reason === reason && one.from <= at)) continue;
    tell(`reason ${event.reason}, up to ${event.offset} of ${event.epoch}`);
  }
}

/** Who is told that it has recovered is told how many messages came before that in its new session, and it is true. */
function checkMissed({ heard }: MemberLog, room: string, tell: (words: string) => void): void {
  let session = '';
  let came = 0;
  for (const event of heard) {
    if (event.kind === 'up' && event.id !== session) {
      session = event.id;
      came = 0;
    } else if (event.kind === 'message' && event.room === room) came += 1;
    else if (event.kind === 'recovered' && event.room === room && event.missed !== undefined && event.missed !== came) {
      tell(`recovered with ${event.missed} missed, after ${came} messages`);
    }
  }
}

/** Whether a member was told that the log does not know what it had. */
function hasLostItsEnd(logs: readonly { readonly events: readonly LogEvent[] }[]): boolean {
  return logs.some(({ events }) => events.some((event) => event.kind === 'gap' && event.reason === 'unknown'));
}

/** In each log: every message once, and each publisher's in the order of their numbers. */
function checkPublishers(known: KnownLog, mayRepeat: boolean, tell: Tell): void {
  for (const [epoch, entries] of known.epochs) {
    const places = new Map<string, number>();
    const latest = new Map<string, number>();
    for (const [offset, message] of [...entries].toSorted(([a], [b]) => a - b)) {
      const before = places.get(message);
      if (before !== undefined && !mayRepeat) tell('appended-twice', message, `at ${before} and ${offset} of ${epoch}`);
      places.set(message, offset);
      const { publisher, number } = readName(message);
      if (before === undefined && number < (latest.get(publisher) ?? 0)) {
        tell('swapped', message, `stands behind ${latest.get(publisher)} of its publisher, at ${offset} of ${epoch}`);
      }
      latest.set(publisher, Math.max(number, latest.get(publisher) ?? 0));
    }
  }
}

export function nameOf({ publisher, number }: { readonly publisher: string; readonly number: number }): string {
  return `${publisher}#${number}`;
}

function readName(name: string): { publisher: string; number: number } {
  const at = name.lastIndexOf('#');
  return { publisher: name.slice(0, at), number: Number(name.slice(at + 1)) };
}

function listed(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}
