import type { JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { HawserError } from '../../core/index.ts';
import type { HistoryRule } from '../../engine/index.ts';
import { down } from './failures.ts';
import { MARKS_MOST } from './history-proof.ts';
import type { LogNames } from './names.ts';
import type { ResolvedNatsOptions } from './options.ts';

/** How long a stream knows the ids of entries, ms: the window of `Bus.append`. */
const ID_WINDOW = 120_000;
/** ms for the first mark of a stream that another node has made. */
const FIRST_WAIT = 500;
/** How often a leader that knows less than we do is asked again. */
const LOOKS = 6;
const NANOS = 1_000_000;
/** 292 years of nanoseconds are what 64 bits hold. */
const AGE_MOST = 100 * 365 * 86_400_000;
/** The first one that can publish again what it takes. */
const FIRST_VERSION = [2, 8, 3] as const;
const NOT_FOUND = 10_059;
const NAME_IN_USE = 10_058;
const OVERLAP = 10_065;

/** ms between marks in a log in which nothing happens. */
export const markWait = ({ age }: HistoryRule): number => Math.min(Math.max(age, ID_WINDOW / 2), AGE_MOST / 2);
/** Entries that a stream keeps of each room. */
export const keptOf = ({ size }: HistoryRule): number => size + MARKS_MOST;

export interface StreamHost {
  readonly manager: JetStreamManager;
  readonly history: ResolvedNatsOptions['history'];
  /** Of the server; undefined while there is none. */
  server(): { readonly version: string; readonly jetstream?: boolean } | undefined;
  drawEpoch(): string;
  /** Whether this node, and no other, is to make the stream. */
  isMaker(): Promise<boolean>;
  /** Adds the mark that shows that a stream has not lost all since it was made. */
  addFirst(epoch: string): Promise<void>;
  wait(ms: number): Promise<void>;
  report(error: unknown): void;
}

/**
 * The stream of a rule as it should be:
 *
 * - `max_age` is twice the time between marks, which is the rule's age (a minute at least): so that a log that a node watches never becomes
 *   empty, and one that nobody watches any more is kept for the rule's age at least.
 * - `max_msgs_per_subject` has room for the marks beside the messages.
 * - `republish` hands on each entry with its number and that of the one before it in its room. It is the only path by which nodes hear
 *   entries: nobody subscribes to where they are added, and there is no consumer.
 */
function configOf(names: LogNames, rule: HistoryRule, epoch: string, history: StreamHost['history']): Config {
  return {
    name: names.stream,
    description: `Hawser: history of ${JSON.stringify(rule.name).slice(0, 500)}`,
    subjects: [`${names.added(epoch)}.*.*`],
    max_msgs_per_subject: keptOf(rule),
    max_age: 2 * markWait(rule) * NANOS,
    duplicate_window: ID_WINDOW * NANOS,
    max_bytes: history.maxBytes,
    num_replicas: history.replicas,
    storage: history.storage,
    discard: 'old',
    retention: 'limits',
    allow_direct: true,
    republish: names.republish,
  };
}

type Config = Partial<StreamConfig> & Pick<StreamConfig, 'name'>;
const CHANGEABLE = ['max_msgs_per_subject', 'max_age', 'duplicate_window', 'max_bytes', 'num_replicas'] as const;

/**
 * Finds the stream of a rule, makes it when there is none, and has it kept as the rule says. The answer is its epoch.
 *
 * Several nodes may be at it at one time, and not all that NATS lets them do is safe then (2.9.10). Two updates of a stream's subjects have it
 * take each entry twice; of two requests to make one that differ both may be granted; and when they publish again in two ways, servers of a cluster
 * don't survive their next start. So nodes agree on who makes a stream, it has its epoch from then on, and what it publishes again doesn't name the epoch.
 * @param seen The newest entry that this node knows of, by epoch: a stream that has forgotten it has begun anew.
 * @throws HawserError ERR_ENGINE_DOWN, ERR_VERSION, ERR_UNSUPPORTED, ERR_OPTION, ERR_NOT_ALLOWED.
 */
export async function openStream(
  names: LogNames,
  rule: HistoryRule,
  host: StreamHost,
  seen: (epoch: string) => number,
): Promise<string> {
  checkVersion(host.server()?.version);
  try {
    const found = await infoOf(host.manager, names.stream);
    if (found === undefined) return await make(names, rule, host);
    const epoch = epochOf(names, found);
    if (await hasForgotten(names, host, found, seen(epoch))) {
      await host.manager.streams.delete(names.stream);
      return await make(names, rule, host);
    }
    await mend(names, rule, host, found, epoch);
    return epoch;
  } catch (error) {
    throw streamFailure(error, names.stream, host);
  }
}

async function make(names: LogNames, rule: HistoryRule, host: StreamHost): Promise<string> {
  const isMaker = await host.isMaker();
  const made = await infoOf(host.manager, names.stream);
  if (made !== undefined) return epochOf(names, made);
  if (!isMaker) throw down(`stream ${names.stream} is being made`, 'no');
  const epoch = host.drawEpoch();
  try {
    await host.manager.streams.add(configOf(names, rule, epoch, host.history));
  } catch (error) {
    const isTaken = codeOf(error) === NAME_IN_USE || codeOf(error) === OVERLAP;
    const found = isTaken ? await infoOf(host.manager, names.stream) : undefined;
    if (found === undefined) throw error;
    // Another node was first.
    return epochOf(names, found);
  }
  await host.addFirst(epoch);
  return epoch;
}

/** @throws HawserError ERR_OPTION when it is none of ours. */
function epochOf(names: LogNames, { config }: StreamInfo): string {
  const epoch = names.epochOf(config.subjects);
  if (epoch !== undefined && config.republish?.dest === names.republish.dest) return epoch;
  throw new HawserError('ERR_OPTION', `NATS has a stream ${names.stream} that is not Hawser's: rename or delete it`);
}

/**
 * A stream in memory is there again, and empty, when its server was restarted; and one in files may have been put back from a copy. Numbers
 * that it gave before would be given again.
 */
async function hasForgotten(names: LogNames, host: StreamHost, found: StreamInfo, seen: number): Promise<boolean> {
  const { state } = found;
  if (state.last_seq >= seen && state.last_seq > 0) return false;
  const looks = found.config.num_replicas > 1 ? LOOKS : 1;
  for (let look = 0; look < looks; look++) {
    // Its first mark is on its way, or a new leader has not taken in yet all that the one before it told. Or another node makes it anew just now.
    await host.wait(FIRST_WAIT);
    const again = await infoOf(host.manager, names.stream);
    if (again === undefined || epochOf(names, again) !== epochOf(names, found)) {
      throw down(`stream ${names.stream} is being made anew`, 'no');
    }
    if (again.state.last_seq >= Math.max(1, seen)) return false;
  }
  return true;
}

async function mend(
  names: LogNames,
  rule: HistoryRule,
  host: StreamHost,
  { config }: StreamInfo,
  epoch: string,
): Promise<void> {
  const wanted = configOf(names, rule, epoch, host.history);
  if (config.storage !== wanted.storage) {
    host.report(new HawserError('ERR_OPTION', `stream ${names.stream} is kept in ${config.storage}, and stays there`));
  }
  if (CHANGEABLE.every((field) => config[field] === wanted[field])) return;
  try {
    const changes = Object.fromEntries(CHANGEABLE.map((field) => [field, wanted[field]]));
    await host.manager.streams.update(names.stream, { ...config, ...changes });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    host.report(
      new HawserError('ERR_OPTION', `stream ${names.stream} can't be kept as it should: ${why}`, { cause: error }),
    );
  }
}

async function infoOf(manager: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (codeOf(error) === NOT_FOUND) return undefined;
    throw error;
  }
}

function checkVersion(version: string | undefined): void {
  if (version === undefined) throw down('NATS is not connected', 'no');
  const parts = version.split(/[.-]/).map(Number);
  const order = FIRST_VERSION.map((least, at) => Math.sign((parts[at] ?? 0) - least)).find((sign) => sign !== 0);
  if (order === -1) {
    throw new HawserError('ERR_VERSION', `rooms with history need nats-server 2.8.3, and this is ${version}`);
  }
}

function streamFailure(error: unknown, stream: string, host: StreamHost): unknown {
  if (error instanceof HawserError) return error;
  const { name, message } = error as Error;
  if (codeOf(error) === OVERLAP) {
    return new HawserError('ERR_OPTION', `another stream of NATS has the subjects of ${stream}`, { cause: error });
  }
  const isOff = name === 'JetStreamNotEnabled' || codeOf(error) === 10_039 || codeOf(error) === 10_076;
  if (isOff && host.server()?.jetstream !== true) {
    const what = 'rooms with history need JetStream, which is off at this NATS';
    return new HawserError('ERR_UNSUPPORTED', what, { cause: error });
  }
  const { name: cause } = ((error as Error).cause ?? {}) as { readonly name?: unknown };
  if (name === 'PermissionViolationError' || cause === 'PermissionViolationError') {
    return new HawserError('ERR_NOT_ALLOWED', `NATS does not allow it: ${message}`, { cause: error });
  }
  return down(`stream ${stream} can't be had: ${message}`, 'no', error);
}

function codeOf(error: unknown): number {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'number' ? code : 0;
}
