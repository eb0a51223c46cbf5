import { HawserError, type WaitOptions, type World, within } from '../../core/index.ts';
import type { Appended, BytesRead, GapReason, HistoryRule, LoggedBytes, ReadOptions } from '../../engine/index.ts';
import { AS_BYTES } from './client.ts';
import { askedAt, isMoved, isMoving, logError, wordOf } from './failures.ts';
import type { Link } from './link.ts';
import { idKey, metaKey } from './names.ts';
import { APPEND, READ, type Script } from './scripts.ts';
import type { Servers } from './servers.ts';

/** How long an id is known, ms. */
export const ID_WINDOW = 120_000;
/** How long a log's name and place outlive its last entry, ms: who comes back to a quiet room later is told of a gap. */
export const META_WINDOW = 604_800_000;
/** The most bytes of one answer. */
export const READ_BYTES = 16_777_216;
const MOST = 1000;
/** Longer ages are taken for this, ms: ten years. */
const AGE_MOST = 315_360_000_000;
const GRACE = 60_000;
const TRIES = 6;
/** ms */
const PAUSE = 25;

/** The logs of rooms, which scripts on the server keep. */
export class Logs {
  readonly #servers: Servers;
  readonly #world: World;

  constructor(servers: Servers, world: World) {
    this.#servers = servers;
    this.#world = world;
  }

  /** @throws HawserError ERR_ENGINE_DOWN, ERR_ABORTED, ERR_TIMEOUT. */
  async append(
    log: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    options: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended> {
    const { id } = options;
    const age = ageOf(rule);
    const keys = [log, metaKey(log), ...(id === undefined ? [] : [idKey(log, id)])];
    const times = [age * 1000, age + GRACE, age + META_WINDOW, ID_WINDOW].map(String);
    const [ageMicros = '', ...lives] = times;
    const size = String(Math.max(1, Math.floor(rule.size)));
    const values = [this.#epoch(), size, ageMicros, ...lives, Buffer.from(bytes)];
    const said = String(await this.#run(APPEND, keys, values, options));
    const [epoch = '', offset = '', isDuplicate] = said.split(' ');
    return { epoch, offset: Number(offset), isDuplicate: isDuplicate === '1' };
  }

  /** @throws HawserError ERR_ENGINE_DOWN, ERR_ABORTED, ERR_TIMEOUT. */
  async read(log: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead> {
    const { since, most = MOST } = options;
    const age = ageOf(rule);
    const times = [age * 1000, age + META_WINDOW, most, READ_BYTES].map(String);
    const place = [since === undefined ? '' : String(since.offset), since?.epoch ?? ''];
    const said = await this.#run(READ, [log, metaKey(log)], [this.#epoch(), ...times, ...place], options);
    return readingOf(said as readonly Buffer[]);
  }

  #epoch(): string {
    return Buffer.from(this.#world.random.bytes(8)).toString('hex');
  }

  /** Asks again where another server has the slot by now: nothing was done then. */
  async #run(script: Script, keys: string[], values: (string | Buffer)[], options: WaitOptions): Promise<unknown> {
    const work = this.#tries(script, keys, values);
    return within(work, this.#world, { ...options, what: 'answer of Redis', delivered: 'unknown' });
  }

  async #tries(script: Script, keys: string[], values: (string | Buffer)[]): Promise<unknown> {
    for (let attempt = 1; ; attempt += 1) {
      const link = this.#servers.ofKey(keys[0] ?? '');
      if (link === undefined) throw new HawserError('ERR_ENGINE_DOWN', 'no connection to Redis', { delivered: 'no' });
      try {
        return await this.#call(link, script, keys, values);
      } catch (error) {
        if (attempt === TRIES) throw logError(error);
        if (isMoved(error)) await this.#servers.refreshed(error);
        else if (isMoving(error)) await this.#pause(PAUSE * 2 ** attempt);
        else throw logError(error);
      }
    }
  }

  /** The keys of a slot that moves may be at their new place already. */
  async #call(link: Link, script: Script, keys: string[], values: (string | Buffer)[]): Promise<unknown> {
    try {
      return await call(link, script, keys, values);
    } catch (error) {
      const next = this.#servers.at(askedAt(error));
      if (next === undefined) throw error;
      const asking = next.log.sendCommand(['ASKING']);
      const [, answer] = await Promise.all([asking, call(next, script, keys, values)]);
      return answer;
    }
  }

  async #pause(pause: number): Promise<void> {
    await new Promise<void>((resolve) => this.#world.timer(this.#world.now() + pause, resolve));
  }
}

async function call(link: Link, script: Script, keys: string[], values: (string | Buffer)[]): Promise<unknown> {
  const rest = [String(keys.length), ...keys, ...values];
  try {
    const answer = await link.log.sendCommand(['EVALSHA', script.sha, ...rest], AS_BYTES);
    link.heard('log');
    return answer;
  } catch (error) {
    if (wordOf(error) !== 'NOSCRIPT') throw error;
    return link.log.sendCommand(['EVAL', script.text, ...rest], AS_BYTES);
  }
}

function ageOf({ age }: HistoryRule): number {
  return Math.floor(Math.min(age, AGE_MOST));
}

function readingOf(said: readonly Buffer[]): BytesRead {
  const [epoch, offset, reason = ''] = said.slice(0, 3).map(String);
  const position = { epoch: epoch ?? '', offset: Number(offset) };
  if (reason !== '') return { isWhole: false, reason: reason as GapReason, position };
  const entries: LoggedBytes[] = [];
  for (let at = 3; at + 2 < said.length; at += 3) {
    const bytes = said[at + 2] ?? Buffer.alloc(0);
    entries.push({ offset: Number(said[at]), previous: Number(said[at + 1]), bytes });
  }
  return { isWhole: true, entries, position };
}

const HEAD_MOST = 64;
const HEAD = /^([0-9a-f]{1,32}) (\d{1,16}) (\d{1,16})$/;

/** What a log's channel carries: `epoch offset previous`, a line feed, and the bytes. Undefined where it is nothing of ours. */
export function entryOf(bytes: Buffer): { readonly entry: LoggedBytes; readonly epoch: string } | undefined {
  const end = bytes.indexOf(10);
  if (end < 0 || end > HEAD_MOST) return undefined;
  const head = HEAD.exec(bytes.toString('latin1', 0, end));
  if (head === null) return undefined;
  const [, epoch = '', offset, previous] = head;
  return { entry: { offset: Number(offset), previous: Number(previous), bytes: bytes.subarray(end + 1) }, epoch };
}
