import { epochOf, type HistoryRule, type LogRead, RoomLogs } from '../../engine/index.ts';
import { beginFrame, GAPS, HEAD_BYTES, KIND, putHead, putText, textBytes } from './frames.ts';
import type { HubPeer, ReadAsk } from './hub-peer.ts';
import type { HubLimits } from './limits.ts';
import type { Outgoing } from './outgoing.ts';
import { WORLD } from './world.ts';

/** What an entry takes beside its bytes, about. */
const ENTRY_BYTES = 160;

/** The logs of rooms, in the memory of the primary process: there for as long as it lives. */
export class HubLogs {
  readonly #logs: RoomLogs<Buffer>;
  readonly #readingBytes: number;
  readonly #watchers: (key: string) => readonly HubPeer[] | undefined;

  constructor(limits: HubLimits, watchers: (key: string) => readonly HubPeer[] | undefined) {
    this.#watchers = watchers;
    this.#readingBytes = limits.readingBytes;
    this.#logs = new RoomLogs<Buffer>({
      now: () => WORLD.now(),
      newEpoch: () => epochOf(WORLD.random.bytes(8)),
      weigh: (bytes) => ENTRY_BYTES + bytes.length,
      isHeard: (key) => watchers(key) !== undefined,
      logsMost: limits.logs,
      bytesMost: limits.logBytes,
    });
  }

  get size(): number {
    return this.#logs.size;
  }

  append(out: Outgoing, request: number, key: string, rule: HistoryRule, id: string | undefined, bytes: Buffer): void {
    // The chunk that it came in is longer, and would be kept for as long.
    const own = Buffer.from(bytes);
    const { entry, offset, epoch, isDuplicate } = this.#logs.append(key, own, rule, id);
    // Who asked hears the entry before the answer, as all others who watch the log.
    if (entry !== undefined) tell(key, own, entry, epoch, this.#watchers(key) ?? []);
    answer(out, KIND.appended, request, isDuplicate ? 1 : 0, offset, epoch);
  }

  read(out: Outgoing, request: number, key: string, rule: HistoryRule, { since, most }: ReadAsk): void {
    const read = this.#logs.read(key, rule, since, most);
    const { offset, epoch } = read.position;
    const gap = gapOf(read, this.#readingBytes);
    if (read.isWhole && gap === 0) for (const entry of read.entries) writeEntry(out, request, entry);
    answer(out, KIND.reading, request, gap, offset, epoch);
  }

  close(): void {
    this.#logs.clear();
  }
}

function gapOf(read: LogRead<Buffer>, most: number): number {
  if (!read.isWhole) return GAPS.indexOf(read.reason);
  const bytes = read.entries.reduce((sum, { value }) => sum + value.length, 0);
  return bytes > most ? GAPS.indexOf('too-many') : 0;
}

interface Place {
  readonly offset: number;
  readonly previous: number;
}

function tell(key: string, bytes: Buffer, { offset, previous }: Place, epoch: string, peers: readonly HubPeer[]): void {
  if (peers.length === 0) return;
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
