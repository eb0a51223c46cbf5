import type { Timer } from '../../core/index.ts';
import { epochOf, type HistoryRule, type LogRead, RoomLog } from '../../engine/index.ts';
import { beginFrame, GAPS, HEAD_BYTES, KIND, putHead, putText, textBytes } from './frames.ts';
import type { HubPeer, ReadAsk } from './hub-peer.ts';
import { HUB } from './limits.ts';
import type { Outgoing } from './outgoing.ts';
import { after, WORLD } from './world.ts';

interface Kept {
  readonly log: RoomLog<Buffer>;
  rule: HistoryRule;
}

/** The logs of rooms, in the memory of the primary process: there for as long as it lives. */
export class HubLogs {
  /** By key, the one that was added to longest ago first. */
  readonly #logs = new Map<string, Kept>();
  #sweep: Timer = after(HUB.sweep, () => this.#trimAll());

  get size(): number {
    return this.#logs.size;
  }

  append(
    out: Outgoing,
    request: number,
    key: string,
    rule: HistoryRule,
    id: string | undefined,
    bytes: Buffer,
    watchers: readonly HubPeer[],
  ): void {
    const kept = this.#logs.get(key) ?? this.#make(rule);
    kept.rule = rule;
    this.#logs.delete(key);
    this.#logs.set(key, kept);
    this.#bound();
    // The chunk that it came in is longer, and would be kept for as long.
    const own = Buffer.from(bytes);
    const { entry, offset, epoch, isDuplicate } = kept.log.append(own, rule, WORLD.now(), id);
    // Who asked hears the entry before the answer, as all others who watch the log.
    if (entry !== undefined && watchers.length > 0) tell(key, own, entry, epoch, watchers);
    answer(out, KIND.appended, request, isDuplicate ? 1 : 0, offset, epoch);
  }

  read(out: Outgoing, request: number, key: string, rule: HistoryRule, { since, most }: ReadAsk): void {
    const kept = this.#logs.get(key) ?? this.#make(rule);
    if (!this.#logs.has(key)) this.#logs.set(key, kept);
    this.#bound();
    kept.log.trim(rule.size, rule.age, WORLD.now());
    const read = kept.log.read(since, most);
    const { offset, epoch } = read.position;
    const gap = gapOf(read);
    if (read.isWhole && gap === 0) for (const entry of read.entries) writeEntry(out, request, entry);
    answer(out, KIND.reading, request, gap, offset, epoch);
  }

  close(): void {
    this.#sweep.cancel();
    this.#logs.clear();
  }

  #make(rule: HistoryRule): Kept {
    return { log: new RoomLog<Buffer>(epochOf(WORLD.random.bytes(8))), rule };
  }

  #bound(): void {
    if (this.#logs.size <= HUB.logs) return;
    const [oldest] = this.#logs.keys();
    if (oldest !== undefined) this.#logs.delete(oldest);
  }

  #trimAll(): void {
    const now = WORLD.now();
    for (const { log, rule } of this.#logs.values()) log.trim(rule.size, rule.age, now);
    this.#sweep = after(HUB.sweep, () => this.#trimAll());
  }
}

function gapOf(read: LogRead<Buffer>): number {
  if (!read.isWhole) return GAPS.indexOf(read.reason);
  const bytes = read.entries.reduce((sum, { value }) => sum + value.length, 0);
  return bytes > HUB.readingBytes ? GAPS.indexOf('too-many') : 0;
}

interface Place {
  readonly offset: number;
  readonly previous: number;
}

function tell(key: string, bytes: Buffer, { offset, previous }: Place, epoch: string, peers: readonly HubPeer[]): void {
  const before = 2 + key.length + 16 + textBytes(epoch);
  const head = Buffer.allocUnsafe(HEAD_BYTES + before);
  let at = putHead(head, 0, KIND.logged, before + bytes.length);
  at = head.writeUInt16LE(key.length, at);
  at += head.write(key, at, 'latin1');
  at = head.writeDoubleLE(offset, at);
  at = head.writeDoubleLE(previous, at);
  putText(head, at, epoch);
  for (const { out } of peers) {
    out.push(head);
    out.push(bytes);
  }
}

function writeEntry(
  out: Outgoing,
  request: number,
  { value, offset, previous }: Place & { readonly value: Buffer },
): void {
  const at = out.claim(HEAD_BYTES + 20);
  const { memory } = out;
  const body = putHead(memory, at, KIND.entry, 20 + value.length);
  memory.writeDoubleLE(previous, memory.writeDoubleLE(offset, memory.writeUInt32LE(request, body)));
  out.push(value);
}

function answer(out: Outgoing, kind: number, request: number, flag: number, offset: number, epoch: string): void {
  const at = beginFrame(out, kind, 13 + textBytes(epoch));
  const { memory } = out;
  const flagAt = memory.writeUInt32LE(request, at);
  memory[flagAt] = flag;
  putText(memory, memory.writeDoubleLE(offset, flagAt + 1), epoch);
}
