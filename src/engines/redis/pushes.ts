import { type Timer, type World, within } from '../../core/index.ts';
import type { BusHost } from '../../engine/index.ts';
import { addressOf } from './addresses.ts';
import { AS_BYTES, type RedisClient, type RedisModule } from './client.ts';
import { isMoved, logError, wordOf } from './failures.ts';
import { end, openClient } from './link.ts';
import type { RedisSettings } from './options.ts';
import type { Servers } from './servers.ts';

export interface PushesParts {
  readonly redis: RedisModule;
  readonly settings: RedisSettings;
  readonly world: World;
  readonly servers: Servers;
  readonly host: BusHost;
  /** The stream's key. */
  readonly stream: string;
}

const GROUP = 'hawser';
/** Entries in one answer. */
const COUNT = '32';
/** ms that one question waits for entries. */
const BLOCK = 5000;
/** ms after which an entry that a node took, and has not done with, is another node's. */
export const CLAIM_WAIT = 30_000;
/** ms of silence after which a node's name is forgotten. */
const FORGET_WAIT = 3_600_000;
const PAUSE = 1000;
const CLOSE_WAIT = 2000;

/** The stream was taken away: it is made again. */
const EMPTIED: ReadonlySet<string> = new Set(['NOGROUP', 'UNBLOCKED']);

type Entry = readonly [id: Buffer, fields: readonly Buffer[] | null];

/**
 * Reads the stream that other programs push to. Exactly one node takes each entry; it is taken away when it was published, so that what is
 * added while no node is there waits for one, and what a node that died had taken is taken again.
 */
export class Pushes {
  readonly #parts: PushesParts;
  readonly #consumer: string;
  #client: RedisClient | undefined;
  #isClosed = false;
  #claimAt = 0;
  #timer: Timer | undefined;
  #wake: (() => void) | undefined;
  #work: Promise<void> = Promise.resolve();
  #isRefused = false;

  constructor(parts: PushesParts) {
    this.#parts = parts;
    this.#consumer = Buffer.from(parts.world.random.bytes(8)).toString('hex');
  }

  async run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#read(await this.#open());
      } catch (error) {
        this.#drop();
        this.#tell(error);
        await this.#sleep(PAUSE);
      }
    }
    // One that was being made when all was closed.
    this.#drop();
  }

  /** Resolves when what was taken is published, or can't be, or after two seconds: another node takes it then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await within(this.#work, this.#parts.world, { timeout: CLOSE_WAIT, what: 'end of a push' }).catch(() => {});
    this.#drop();
  }

  async #open(): Promise<RedisClient> {
    const { servers, stream } = this.#parts;
    const link = servers.ofKey(stream);
    if (link === undefined) throw new Error('no server');
    this.#client = await openClient(this.#parts, addressOf(link.address));
    this.#client.on('error', () => {});
    try {
      await this.#ask(['XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM']);
    } catch (error) {
      if (wordOf(error) !== 'BUSYGROUP') throw error;
    }
    return this.#client;
  }

  async #read(client: RedisClient): Promise<void> {
    const { stream, world } = this.#parts;
    const question = ['XREADGROUP', 'GROUP', GROUP, this.#consumer, 'COUNT', COUNT, 'BLOCK', String(BLOCK)];
    while (!this.#isClosed && client === this.#client) {
      if (world.now() >= this.#claimAt) await this.#claim();
      const answer = await this.#ask([...question, 'STREAMS', stream, '>'], BLOCK);
      this.#isRefused = false;
      this.#work = this.#take(entriesOf(answer));
      await this.#work;
    }
  }

  /** Takes what others took and have not done with, and forgets who is long gone. */
  async #claim(): Promise<void> {
    const { stream, world } = this.#parts;
    this.#claimAt = world.now() + CLAIM_WAIT / 3;
    const question = ['XAUTOCLAIM', stream, GROUP, this.#consumer, String(CLAIM_WAIT), '0', 'COUNT', COUNT];
    const [, entries] = (await this.#ask(question)) as [unknown, readonly Entry[]];
    this.#work = this.#take(entries);
    await this.#work;
    for (const one of (await this.#ask(['XINFO', 'CONSUMERS', stream, GROUP])) as readonly object[]) {
      const { name, pending, idle } = fieldsOf(one);
      if (Number(pending) === 0 && Number(idle) > FORGET_WAIT)
        await this.#ask(['XGROUP', 'DELCONSUMER', stream, GROUP, String(name)]);
    }
  }

  /** In their order. What can't be published now stays, and is claimed later. */
  async #take(entries: readonly Entry[]): Promise<void> {
    const { stream, host, settings } = this.#parts;
    const done: string[] = [];
    for (const [id, fields] of entries) {
      const json = fields === null ? undefined : jsonOf(fields);
      const isTooLarge = json !== undefined && json.length > settings.payloadBytes;
      const answer = await host.pushed?.(json === undefined || isTooLarge ? new Uint8Array(0) : json, 'one');
      if (answer !== undefined && !isForLater(answer)) done.push(id.toString());
    }
    if (done.length === 0) return;
    // In this order: what is lost between them is no entry that nobody will look at again.
    await this.#ask(['XDEL', stream, ...done]);
    await this.#ask(['XACK', stream, GROUP, ...done]);
  }

  /** @param wait ms that the server may take by our own wish. */
  async #ask(args: readonly string[], wait = 0): Promise<unknown> {
    const { world, settings } = this.#parts;
    const client = this.#client;
    if (client === undefined) throw new Error('no connection');
    const timer = world.timer(world.now() + wait + 3 * settings.heartbeat, () => end(client));
    try {
      return await client.sendCommand(args, AS_BYTES);
    } finally {
      timer.cancel();
    }
  }

  /** That there is no connection is told elsewhere; a refusal, once. */
  #tell(error: unknown): void {
    const { servers, host } = this.#parts;
    if (this.#isClosed || wordOf(error) === '') return;
    if (isMoved(error)) servers.refresh(error);
    else if (!EMPTIED.has(wordOf(error)) && !this.#isRefused) {
      this.#isRefused = true;
      host.report(logError(error), 'push');
    }
  }

  #drop(): void {
    if (this.#client !== undefined) end(this.#client);
    this.#client = undefined;
  }

  async #sleep(pause: number): Promise<void> {
    if (this.#isClosed) return;
    const { world } = this.#parts;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#timer = world.timer(world.now() + pause, resolve);
    });
    this.#timer?.cancel();
  }
}

/** RESP3 says by stream what came: a map, of one. */
function entriesOf(answer: unknown): readonly Entry[] {
  if (answer === null || typeof answer !== 'object') return [];
  const [entries] = answer instanceof Map ? answer.values() : Object.values(answer);
  return (entries ?? []) as readonly Entry[];
}

function fieldsOf(answer: object): Record<string, unknown> {
  if (answer instanceof Map) return Object.fromEntries([...answer].map(([name, value]) => [String(name), value]));
  return answer as Record<string, unknown>;
}

function jsonOf(fields: readonly Buffer[]): Buffer | undefined {
  const at = fields.findIndex((name, index) => index % 2 === 0 && name.toString() === 'json');
  return at < 0 ? undefined : fields[at + 1];
}

/** Not its own fault: it may do better later, or with another node. */
const LATER: ReadonlySet<unknown> = new Set([
  'ERR_ABORTED',
  'ERR_CLOSED',
  'ERR_ENGINE_DOWN',
  'ERR_SERVER_CLOSING',
  'ERR_TIMEOUT',
]);

interface Told {
  readonly error?: { readonly code?: unknown };
  /** Of a list. */
  readonly results?: readonly Told[];
}

/** Also where nobody has answered. */
function isForLater(answer: Uint8Array): boolean {
  const told = parsed(answer);
  return told === undefined || [told, ...(told.results ?? [])].some(({ error }) => LATER.has(error?.code));
}

function parsed(answer: Uint8Array): Told | undefined {
  try {
    return JSON.parse(Buffer.from(answer).toString()) as Told;
  } catch {
    return undefined;
  }
}
