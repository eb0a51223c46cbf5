import { HawserError, type WaitOptions } from '../../core/index.ts';
import type {
  Appended,
  Bus,
  BusHost,
  BytesRead,
  HistoryRule,
  LoggedBytes,
  ReadOptions,
  Subject,
} from '../../engine/index.ts';
import { beginFrame, Cursor, GAPS, HEAD_BYTES, KIND, putHead, putText, textBytes, writeText } from './frames.ts';
import type { HubDoor } from './hub.ts';
import { HubLink } from './hub-link.ts';
import { keyOf, logKeyOf, nodeOf, shortId } from './keys.ts';
import { HUB } from './limits.ts';
import type { Outgoing } from './outgoing.ts';
import { Pending } from './pending.ts';

/** The most entries of one reading, where nobody says. */
const MOST = 1000;
const EPOCH_MOST = 64;
/** When so many bytes wait for the hub, messages and entries are refused; the rest of the backlog is for what nodes say to each other. */
const CROWDED_BYTES: number = HUB.backlogBytes / 2;

/** The bus of a worker: all it does is done by the hub in the primary process. */
export class ClusterBus implements Bus {
  readonly name = 'cluster';
  readonly payloadBytes: number = HUB.payloadBytes;
  readonly #cluster: string;
  readonly #link: HubLink;
  /** What is subscribed to, for a hub that doesn't know it any more. */
  readonly #keys = new Set<string>();
  /** The logs that are watched, by key. */
  readonly #logs = new Map<string, { readonly namespace: string; readonly room: string }>();
  readonly #appends = new Pending<Appended>();
  readonly #reads = new Pending<BytesRead>();
  /** Entries of answers that are on their way, by request. */
  readonly #entries = new Map<number, LoggedBytes[]>();
  #host: BusHost | undefined;
  #wasCrowded = false;

  /** Clusters of other names on the same hub know nothing of this one. */
  constructor(cluster: string, findDoor: () => Promise<HubDoor>) {
    this.#cluster = cluster;
    this.#link = new HubLink(findDoor, {
      frame: (kind, bytes, at, end) => this.#frame(kind, new Cursor(bytes, at, end)),
      again: () => this.#again(),
      lost: (error) => this.#lost(error),
    });
  }

  async start(host: BusHost): Promise<void> {
    this.#host = host;
    await this.#link.open();
    this.#subscribeAll();
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    const { out } = this.#link;
    if (out === undefined) return;
    if (bytes.length > HUB.payloadBytes) {
      this.#host?.report(tooLong(), 'publishing');
      return;
    }
    if (this.#isCrowded(subject, out.bytes + bytes.length)) return;
    const key = keyOf(this.#cluster, subject);
    const before = textBytes(key) + HEAD_BYTES;
    // What the hub sends on stands behind the key as it will be sent.
    const at = beginFrame(out, KIND.publish, before + bytes.length);
    const { memory } = out;
    memory.set(bytes, putHead(memory, putText(memory, at, key), KIND.message, bytes.length));
  }

  subscribe(subject: Subject): void {
    this.#add(keyOf(this.#cluster, subject));
  }

  unsubscribe(subject: Subject): void {
    this.#remove(keyOf(this.#cluster, subject));
  }

  watchLog(namespace: string, room: string): void {
    const key = logKeyOf(this.#cluster, namespace, room);
    this.#logs.set(key, { namespace, room });
    this.#add(key);
  }

  unwatchLog(namespace: string, room: string): void {
    const key = logKeyOf(this.#cluster, namespace, room);
    this.#logs.delete(key);
    this.#remove(key);
  }

  async append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    { id: given = '', ...wait }: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    if (bytes.length > HUB.payloadBytes) throw tooLong();
    const out = this.#outgoing();
    if (out.bytes + bytes.length > CROWDED_BYTES) throw crowded('ERR_ENGINE_DOWN');
    const key = logKeyOf(this.#cluster, namespace, room);
    const id = shortId(given);
    return await this.#appends.ask(wait, (request) => {
      const at = beginFrame(out, KIND.append, 16 + textBytes(key) + textBytes(id) + bytes.length);
      const { memory } = out;
      const ruleAt = putText(memory, memory.writeUInt32LE(request, at), key);
      memory.set(bytes, putText(memory, putRule(memory, ruleAt, rule), id));
    });
  }

  async read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead> {
    const out = this.#outgoing();
    const { since, most = MOST, ...wait } = options;
    const key = logKeyOf(this.#cluster, namespace, room);
    // What a client has shown may be anything; no log has an epoch as long as that.
    const epoch = since !== undefined && since.epoch.length <= EPOCH_MOST ? since.epoch : '';
    const offset = Number.isSafeInteger(since?.offset) ? (since?.offset ?? 0) : Number.MAX_SAFE_INTEGER;
    return await this.#reads.ask(wait, (request) => {
      const at = beginFrame(out, KIND.read, 29 + textBytes(key) + textBytes(epoch));
      const { memory } = out;
      const ruleAt = putText(memory, memory.writeUInt32LE(request, at), key);
      const sinceAt = memory.writeUInt32LE(u32(most), putRule(memory, ruleAt, rule));
      memory[sinceAt] = since === undefined ? 0 : 1;
      putText(memory, memory.writeDoubleLE(Math.max(0, offset), sinceAt + 1), epoch);
    });
  }

  async close(): Promise<void> {
    await this.#link.close();
    this.#fail('it is closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Whether there is no room for a message to a room or a user: what nodes say to each other must get through, and a flood of the one must not cost
   * the connection. Reported once until much of it has left.
   */
  #isCrowded({ kind }: Subject, bytes: number): boolean {
    if (kind !== 'room' && kind !== 'user') return false;
    const isCrowded = bytes > CROWDED_BYTES;
    if (isCrowded && !this.#wasCrowded) this.#host?.report(crowded('ERR_BACKLOG_FULL'), 'publishing');
    if (isCrowded) this.#wasCrowded = true;
    else if (bytes < CROWDED_BYTES / 2) this.#wasCrowded = false;
    return isCrowded;
  }

  /** @throws HawserError ERR_ENGINE_DOWN. */
  #outgoing(): Outgoing {
    const { out } = this.#link;
    if (out !== undefined) return out;
    throw new HawserError('ERR_ENGINE_DOWN', 'the hub of the workers is not there', { delivered: 'no' });
  }

  #add(key: string): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    if (this.#link.out !== undefined) writeText(this.#link.out, KIND.subscribe, key);
  }

  #remove(key: string): void {
    if (this.#keys.delete(key) && this.#link.out !== undefined) writeText(this.#link.out, KIND.unsubscribe, key);
  }

  #subscribeAll(): void {
    for (const key of this.#keys) if (this.#link.out !== undefined) writeText(this.#link.out, KIND.subscribe, key);
  }

  #again(): void {
    this.#subscribeAll();
    this.#host?.reconnected();
  }

  #lost(error: HawserError): void {
    this.#fail(error.message);
    this.#host?.disconnected(error);
  }

  #fail(why: string): void {
    this.#entries.clear();
    this.#appends.fail(why);
    this.#reads.fail(why);
  }

  #frame(kind: number, body: Cursor): boolean {
    switch (kind) {
      case KIND.message:
        this.#host?.received(body.rest());
        return true;
      case KIND.logged:
        this.#logged(body);
        break;
      case KIND.appended:
        this.#appended(body);
        break;
      case KIND.entry:
        this.#entry(body);
        break;
      case KIND.reading:
        this.#reading(body);
        break;
      case KIND.ended:
        this.#ended(body.rest().toString());
        break;
      default:
        return false;
    }
    return !body.isBad;
  }

  #logged(body: Cursor): void {
    const watched = this.#logs.get(body.text());
    const offset = body.whole();
    const previous = body.whole();
    const epoch = body.text();
    // Who has just stopped watching may hear of one more.
    if (body.isBad || watched === undefined) return;
    this.#host?.logged(watched.namespace, watched.room, { bytes: body.rest(), offset, previous }, epoch);
  }

  #appended(body: Cursor): void {
    const request = body.u32();
    const isDuplicate = body.u8() === 1;
    this.#appends.answer(request, { isDuplicate, offset: body.whole(), epoch: body.text() });
  }

  #entry(body: Cursor): void {
    const request = body.u32();
    const offset = body.whole();
    const previous = body.whole();
    if (!this.#reads.has(request)) return;
    const entries = this.#entries.get(request) ?? [];
    entries.push({ bytes: body.rest(), offset, previous });
    this.#entries.set(request, entries);
  }

  #reading(body: Cursor): void {
    const request = body.u32();
    const reason = GAPS[body.u8()];
    const position = { offset: body.whole(), epoch: body.text() };
    const entries = this.#entries.get(request) ?? [];
    this.#entries.delete(request);
    this.#reads.answer(
      request,
      reason === undefined ? { isWhole: true, entries, position } : { isWhole: false, reason, position },
    );
  }

  #ended(key: string): void {
    const node = nodeOf(this.#cluster, key);
    if (node !== undefined) this.#host?.ended?.(node);
  }
}

function putRule(memory: Buffer, at: number, { size, age }: HistoryRule): number {
  return memory.writeDoubleLE(age, memory.writeUInt32LE(u32(size), at));
}

/** A limit may be infinite. */
function u32(value: number): number {
  return Math.min(Math.floor(value), 0xffff_ffff);
}

function tooLong(): HawserError {
  return new HawserError('ERR_MESSAGE_TOO_LARGE', `the hub takes ${HUB.payloadBytes} bytes at once`);
}

function crowded(code: string): HawserError {
  return new HawserError(code, `${CROWDED_BYTES} bytes wait for the hub`, { delivered: 'no' });
}
