import type { DirectMsgRequest, MsgRequest } from '@nats-io/jetstream';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { HawserError, type Timer, type WaitOptions, type World } from '../../core/index.ts';
import type { Appended, BytesRead, HistoryRule, LoggedBytes, Position, ReadOptions } from '../../engine/index.ts';
import { type Ack, Acks, readAck } from './acks.ts';
import { EXPECTED, type Heard, heardIn, keptIn, MARK, messageId } from './entries.ts';
import { down, isPermanent } from './failures.ts';
import { HeldEntries } from './held.ts';
import { type Kept, type RoomSource, readRoom } from './history-proof.ts';
import type { Hearing, NatsLink } from './link.ts';
import { keptOf, markWait } from './log-stream.ts';
import { type Names, pathOf } from './names.ts';
import type { ResolvedNatsOptions } from './options.ts';
import { RETRY_WAIT, type Rule, Streams } from './streams.ts';
import { Watch } from './watch.ts';
import { within } from './within.ts';

export interface LogsHost {
  logged(namespace: string, room: string, entry: LoggedBytes, epoch: string): void;
  /** What was heard up to now may not be all. */
  interrupted(): void;
  report(error: unknown, during: string): void;
}

const WRONG_LAST = 10_071;
const TOO_LARGE = 10_054;
/** Subject of the mark that a stream begins with; no room has it. */
const FIRST_PATH = '~.~';
const NOTHING = new Uint8Array(0);
const REPAIR_WAIT = 1000;
/** ms that an entry waits for one before it. */
const HOLD_WAIT = 50;
const MOST = 1000;

interface Watched {
  readonly rule: Rule;
  readonly watch: Watch;
  readonly path: string;
  readonly hearing: Hearing;
  /** When something was heard last. */
  heardAt: number;
  timer: Timer;
  isRepairing: boolean;
  readonly held: HeldEntries<Heard>;
  holding: Timer | undefined;
}

/**
 * The logs of rooms, in streams of JetStream. A node adds to a log by publishing to the stream, and hears entries, its own too, by the
 * stream's republishing alone: each entry once, with its number and that of the entry before it.
 *
 * A log that somebody watches never becomes empty, for when nothing has happened in it for a while one of those who watch adds a mark, on
 * condition that the last entry is the one that it knows of. So the entry before another one is always known, and whoever missed an entry
 * without noticing learns of it at the mark at the latest.
 */
export class StreamLogs {
  readonly #link: NatsLink;
  readonly #options: ResolvedNatsOptions;
  readonly #world: World;
  readonly #host: LogsHost;
  readonly #streams: Streams;
  /** By rule and path. */
  readonly #watched = new Map<string, Watched>();
  readonly #acks: Acks;
  readonly #inbox: string;
  #isClosed = false;

  constructor(link: NatsLink, names: Names, options: ResolvedNatsOptions, world: World, host: LogsHost) {
    this.#link = link;
    this.#options = options;
    this.#world = world;
    this.#host = host;
    this.#streams = new Streams(link, names, options, world, {
      addFirst: (known, epoch) => this.#addFirst(known, epoch),
      interrupted: () => host.interrupted(),
      report: (error) => host.report(error, 'room history'),
      pause: (ms) => this.#pause(ms),
    });
    this.#acks = new Acks(world);
    this.#inbox = link.inbox();
    link.hear(`${this.#inbox}.*`, (message) => this.#answered(message));
  }

  /** The server is gone, or there again: whether the streams are still the same is not known. */
  turn(error?: unknown): void {
    if (error !== undefined) this.#acks.lose(error);
    this.#streams.turn();
  }

  close(): void {
    this.#isClosed = true;
    this.#streams.close();
    for (const { timer, holding } of this.#watched.values()) {
      timer.cancel();
      holding?.cancel();
    }
    this.#watched.clear();
  }

  watch(namespace: string, room: string, rule: HistoryRule): void {
    const known = this.#streams.of(rule);
    const path = pathOf(namespace, room);
    const key = keyOf(rule, path);
    if (this.#watched.has(key)) return;
    const watched: Watched = {
      rule: known,
      path,
      watch: new Watch(namespace, room),
      hearing: this.#link.hear(known.names.heard(path), (message) => this.#hear(watched, message)),
      heardAt: this.#world.now(),
      // The newest entry may be an old one, which nobody has kept from becoming the last.
      timer: this.#timer(() => void this.#mark(watched), markWait(rule) * (0.1 + 0.15 * this.#world.random.unit())),
      isRepairing: false,
      held: new HeldEntries(),
      holding: undefined,
    };
    this.#watched.set(key, watched);
    if (known.epoch === undefined)
      this.#streams.open(known).catch((error: unknown) => this.#host.report(error, 'room history'));
  }

  unwatch(namespace: string, room: string, rule: HistoryRule): void {
    const key = keyOf(rule, pathOf(namespace, room));
    const watched = this.#watched.get(key);
    if (watched === undefined) return;
    this.#watched.delete(key);
    watched.hearing.stop();
    watched.timer.cancel();
    watched.holding?.cancel();
  }

  /** @throws as `Bus.append`, and ERR_OPTION, ERR_UNSUPPORTED, ERR_VERSION, ERR_NOT_ALLOWED when there can be no stream. */
  async append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    { signal, timeout = this.#options.answerWait, id }: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    const known = this.#streams.of(rule);
    const path = pathOf(namespace, room);
    const headers = id === undefined ? undefined : this.#headers('Nats-Msg-Id', messageId(path, id));
    const wait = { signal, timeout };
    const send = (epoch: string): Promise<Ack> => this.#add(known, epoch, path, bytes, headers, wait);
    const epoch = await this.#streams.epoch(known, wait);
    const ack = await send(epoch);
    if (ack.kind !== 'nobody') return this.#appended(known, epoch, ack);
    // No stream has this subject: it was made anew, or has no leader at the moment.
    const other = await this.#streams.reopen(known, epoch);
    return this.#appended(known, other, other === epoch ? ack : await send(other));
  }

  async read(
    namespace: string,
    room: string,
    rule: HistoryRule,
    { signal, timeout = this.#options.answerWait, since, most = MOST }: ReadOptions,
  ): Promise<BytesRead> {
    const known = this.#streams.of(rule);
    const path = pathOf(namespace, room);
    const run = (epoch: string): Promise<BytesRead> => this.#readRoom(known, epoch, path, { since, most });
    let isWaiting = true;
    const reading = within(this.#link, this.#world, { signal, timeout }, async () => {
      for (;;) {
        const epoch = known.epoch ?? (await this.#streams.open(known));
        try {
          return await run(epoch);
        } catch (error) {
          if (isPermanent(error) || !isWaiting) throw error;
        }
        // The stream was made anew, or has no leader at the moment.
        if ((await this.#streams.reopen(known, epoch)) === epoch) await this.#pause(RETRY_WAIT);
      }
    });
    return await reading.finally(() => {
      isWaiting = false;
    });
  }

  #readRoom(
    known: Rule,
    epoch: string,
    path: string,
    asked: { readonly since: Position | undefined; readonly most: number },
  ): Promise<BytesRead> {
    const { rule } = known;
    const watch = this.#watched.get(keyOf(rule, path))?.watch;
    return readRoom(this.#source(known, epoch, path), epoch, {
      ...asked,
      size: rule.size,
      kept: keptOf(rule),
      doubtsMarks: this.#options.history.replicas > 1,
      found: (newest, last) => watch?.last === 0 && watch.learn(epoch, newest, last),
    });
  }

  async #addFirst(known: Rule, epoch: string): Promise<void> {
    const headers = this.#headers(MARK, '0');
    const ack = await this.#add(known, epoch, FIRST_PATH, NOTHING, headers, { timeout: this.#options.answerWait });
    this.#appended(known, epoch, ack);
  }

  #add(
    known: Rule,
    epoch: string,
    path: string,
    bytes: Uint8Array,
    headers: MsgHdrs | undefined,
    wait: { readonly signal?: AbortSignal | undefined; readonly timeout: number },
  ): Promise<Ack> {
    return this.#acks.wait(bytes.length, wait, (token) => {
      const extras = { reply: `${this.#inbox}.${token}`, ...(headers === undefined ? {} : { headers }) };
      const isSent = this.#link.publish(`${known.names.added(epoch)}.${path}`, bytes, extras);
      if (!isSent) throw down(this.#link.isUp ? 'too much waits for NATS' : 'NATS is not connected', 'no');
    });
  }

  #appended(known: Rule, epoch: string, ack: Ack): Appended {
    const { stream } = known.names;
    if (ack.kind === 'nobody') throw down(`stream ${stream} has no leader`, 'no');
    if (ack.kind === 'refused') {
      if (ack.code === TOO_LARGE) throw new HawserError('ERR_MESSAGE_TOO_LARGE', `NATS: ${ack.message}`);
      throw down(`stream ${stream} refused an entry: ${ack.message}`, 'no');
    }
    if (ack.stream !== stream) {
      throw new HawserError('ERR_OPTION', `stream ${ack.stream} of NATS has the subjects of ${stream}`);
    }
    if (!ack.isDuplicate && epoch === known.lastEpoch) known.newest = Math.max(known.newest, ack.offset);
    return { offset: ack.offset, epoch, isDuplicate: ack.isDuplicate };
  }

  #answered(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    this.#acks.answer(
      token,
      readAck(message.headers?.code ?? 0, () => message.json()),
    );
  }

  /** An entry was added to a log that is watched. */
  #hear(watched: Watched, message: Msg): void {
    const heard = heardIn(message, watched.rule.names.stream);
    if (heard === undefined) {
      const error = new HawserError('ERR_MESSAGE_MALFORMED', `what came at ${message.subject} is none of the stream's`);
      this.#host.report(error, 'foreign message');
      return;
    }
    const { epoch, offset, before } = heard;
    watched.heardAt = this.#world.now();
    if (epoch === watched.rule.lastEpoch) watched.rule.newest = Math.max(watched.rule.newest, offset);
    const { watch, held } = watched;
    const isAhead = watch.epoch === epoch && watch.newest !== 0 && before > watch.newest;
    if (isAhead && held.hold(heard)) {
      watched.holding ??= this.#timer(() => this.#release(watched), HOLD_WAIT);
      return;
    }
    if (isAhead || watch.epoch !== epoch) this.#release(watched);
    this.#tell(watched, heard);
    for (let next = held.next(watch.newest); next !== undefined; next = held.next(watch.newest))
      this.#tell(watched, next);
    if (held.isEmpty) this.#release(watched);
  }

  /** What is held waits no longer for what is missing: that has to be read. */
  #release(watched: Watched): void {
    watched.holding?.cancel();
    watched.holding = undefined;
    for (const heard of watched.held.takeAll()) this.#tell(watched, heard);
  }

  #tell(watched: Watched, { epoch, offset, before, bytes, mark }: Heard): void {
    const { watch } = watched;
    if (mark !== undefined) {
      if (!watch.hearMark(epoch, offset, before, mark)) void this.#repair(watched);
      return;
    }
    const entry = { bytes, offset, previous: watch.hearMessage(epoch, offset, before) };
    this.#host.logged(watch.namespace, watch.room, entry, epoch);
  }

  /** Nothing was heard for a while. */
  async #mark(watched: Watched): Promise<void> {
    const { rule, watch, path } = watched;
    const wait = markWait(rule.rule);
    const quiet = this.#world.now() - watched.heardAt;
    // One of many is first, and the others hear it.
    const again = wait * (0.75 + 0.2 * this.#world.random.unit());
    watched.timer = this.#timer(() => void this.#mark(watched), quiet < again / 2 ? again - quiet : again);
    if (quiet < again / 2 && watch.newest !== 0) return;
    try {
      const epoch = rule.epoch ?? (await this.#streams.open(rule));
      if (watch.newest === 0 || watch.epoch !== epoch) {
        await this.#readRoom(rule, epoch, path, { since: undefined, most: 0 });
        if (watch.newest === 0) return;
      }
      const headers = this.#headers(MARK, `${watch.last}`);
      headers.set(EXPECTED, `${watch.newest}`);
      const ack = await this.#add(rule, epoch, path, NOTHING, headers, { timeout: this.#options.answerWait });
      if (ack.kind === 'nobody') await this.#streams.reopen(rule, epoch);
      const last = ack.kind === 'refused' && ack.code === WRONG_LAST ? Number(/\d+$/.exec(ack.message)?.[0]) : 0;
      // It may be on its way to us.
      if (last > watch.newest) this.#timer(() => last > watch.newest && void this.#repair(watched), REPAIR_WAIT);
    } catch (error) {
      this.#host.report(error, 'room history');
    }
  }

  /** Something was missed: it is read, and told as if it had come. */
  async #repair(watched: Watched): Promise<void> {
    const { rule, watch } = watched;
    if (watched.isRepairing || this.#isClosed || !this.#link.isUp) return;
    watched.isRepairing = true;
    try {
      const since = { offset: watch.last, epoch: watch.epoch };
      const read = watch.last === 0 ? undefined : await this.read(watch.namespace, watch.room, rule.rule, { since });
      if (!read?.isWhole) this.#host.interrupted();
      for (const entry of read?.isWhole ? read.entries : []) {
        watch.hearMessage(since.epoch, entry.offset, entry.previous);
        this.#host.logged(watch.namespace, watch.room, entry, since.epoch);
      }
    } catch (error) {
      this.#host.report(error, 'room history');
      this.#host.interrupted();
    } finally {
      watched.isRepairing = false;
    }
  }

  /** A room's part of a stream. With replicas only the leader is asked: the answers are to be of one server. */
  #source(known: Rule, epoch: string, path: string): RoomSource {
    const subject = `${known.names.added(epoch)}.${path}`;
    const { stream } = known.names;
    const { manager } = this.#link;
    const get = async (query: DirectMsgRequest): Promise<Kept | undefined> => {
      const { replicas } = this.#options.history;
      const found = await (replicas === 1
        ? manager.direct.getMessage(stream, query)
        : manager.streams.getMessage(stream, query as MsgRequest));
      return found === null ? undefined : keptIn(found);
    };
    const source: RoomSource = {
      newest: () => get({ last_by_subj: subject }),
      next: (offset) => get({ seq: Math.max(1, offset), next_by_subj: subject }),
      begin: async () => {
        const headers = this.#headers(MARK, '0');
        headers.set(EXPECTED, '0');
        const ack = await this.#add(known, epoch, path, NOTHING, headers, { timeout: this.#options.answerWait });
        if (ack.kind === 'added') return { offset: ack.offset, bytes: NOTHING, mark: { last: ack.offset, after: 0 } };
        const newest = await source.newest();
        if (newest === undefined) throw down(`stream ${stream} takes no mark`, 'no');
        return newest;
      },
    };
    return source;
  }

  #headers(name: string, value: string): MsgHdrs {
    const headers = this.#link.headers();
    headers.set(name, value);
    return headers;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.timer(this.#world.now() + ms, resolve));
  }

  #timer(run: () => void, wait: number): Timer {
    return this.#world.timer(this.#world.now() + wait, () => {
      if (!this.#isClosed) run();
    });
  }
}

const keyOf = (rule: HistoryRule, path: string): string => `${path} ${rule.name}`;
