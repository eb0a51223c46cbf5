import {
  type ControllerName,
  type KeyLimits,
  UDPACK_LIMITS,
  type UdpackLimits,
  type UdpackTimes,
} from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import { KIND, type Manner } from './network.ts';
import type { Manners } from './talker.ts';

/** How hard a run is. `calm`: no session may end but as it was told to. */
export type Weather = 'calm' | 'fair' | 'rough';

/** What chance decides of a run at its start. */
export interface Scenario {
  readonly weather: Weather;
  readonly realCrypto: boolean;
  readonly clients: number;
  /** How long the weather lasts, in ms. */
  readonly trouble: number;
  /** Between two things that a side says, on average, in ms. */
  readonly pace: number;
  /** Between two strokes of fate, on average, in ms; Infinity: there are none. */
  readonly strokes: number;
  readonly attacker: boolean;
  /** Processes of the server, behind one address. */
  readonly workers: number;
  /** How often the server's process dies and is started again. */
  readonly restarts: number;
  /** Whether there is a client of another version, too. */
  readonly foreign: boolean;
  readonly late: number;
  readonly inbox: number;
  readonly server: PartySettings;
}

export interface PartySettings {
  readonly congestion: ControllerName;
  readonly limits: Partial<UdpackLimits>;
  readonly times: Partial<UdpackTimes>;
  readonly keyLimits: Partial<KeyLimits>;
  readonly datagramSize: number;
}

/** What the server does with a token. */
export type Verdict = 'good' | 'late' | 'bad' | 'silent';

/** Whether a server with these settings takes a token of this length at all. */
export function takesToken({ limits }: PartySettings, length: number): boolean {
  return length <= (limits.tokenBytes ?? UDPACK_LIMITS.tokenBytes);
}

/** @param workers Decides about these alone. */
export function scenarioOf(chance: Chance, workers: Chance): Scenario {
  const weather = chance.pick<Weather>(['calm', 'fair', 'fair', 'rough']);
  const calm = weather === 'calm';
  const attacker = chance.often(0.2);
  return {
    weather,
    realCrypto: chance.often(0.05),
    clients: chance.pick([1, 1, 1, 2, 3]),
    trouble: chance.pick([500, 2000, 6000, 20_000]),
    pace: chance.pick([10, 50, 300]),
    strokes: calm ? Infinity : chance.pick([400, 2000, 8000]),
    attacker,
    workers: workers.often(0.2) ? workers.pick([2, 2, 2, 3, 5]) : 1,
    restarts: chance.pick([0, 0, 0, 0, 0, 0, 0, 0, 1, 2]),
    foreign: chance.often(0.06),
    late: chance.pick([0, 1, 2, 16]),
    inbox: chance.pick([65_536, 1_000_000]),
    server: settingsOf(chance, attacker),
  };
}

/** @param attacked Whether somebody forges datagrams: then it may get too much for a key. */
export function settingsOf(chance: Chance, attacked: boolean): PartySettings {
  return {
    congestion: chance.pick<ControllerName>(['bbr', 'cubic', 'newreno']),
    limits: limitsOf(chance),
    times: timesOf(chance),
    keyLimits: {
      ...(chance.often(0.2) && { bytes: chance.pick([3000, 20_000, 200_000]) }),
      ...(attacked && chance.often(0.2) && { forgeries: chance.pick([1, 5, 30]) }),
    },
    datagramSize: chance.pick([1200, 1300, 1452, 1452, 1452, 8900]),
  };
}

function limitsOf(chance: Chance): Partial<UdpackLimits> {
  if (chance.often(0.5)) return {};
  const streamWindow = chance.pick([40, 300, 5000, 65_536]);
  const sessionWindow = chance.pick([1000, 10_000, 100_000]);
  return {
    streams: chance.pick([1, 2, 5, 100]),
    streamWindow,
    streamWindowMost: streamWindow * chance.pick([4, 64]),
    sessionWindow,
    sessionWindowMost: sessionWindow * chance.pick([4, 64]),
    assemblyBytes: chance.pick([10_000, 200_000, 1_000_000]),
    backlogBytes: chance.pick([2000, 50_000, 1_000_000]),
    datagramBytes: chance.pick([3000, 65_536]),
    tokenBytes: chance.pick([40, 1024, 1024, 1024]),
    halfOpenFree: chance.pick([0, 1, 100]),
  };
}

function timesOf(chance: Chance): Partial<UdpackTimes> {
  if (chance.often(0.5)) return {};
  return {
    idle: chance.pick([10_000, 30_000, 60_000, 600_000, 0]),
    keepalive: chance.pick([2000, 5000, 10_000]),
    ackDelay: chance.pick([0, 5, 20, 100]),
    keyUpdate: chance.pick([500, 5000, 600_000]),
  };
}

/** One direction of a path in this weather. */
export function mannerOf(chance: Chance, weather: Weather): Manner {
  const bytesPerMs = chance.pick([30, 125, 1250, 12_500, Infinity]);
  const fine: Manner = {
    ...KIND,
    delay: chance.pick([0.1, 2, 15, 60, 150]),
    bytesPerMs,
    queueBytes: bytesPerMs === Infinity ? Infinity : Math.max(6000, bytesPerMs * chance.pick([5, 40, 300])),
    mtu: chance.pick([1200, 1350, 1472, 1500, 9000, 65_527]),
  };
  if (weather === 'calm') return fine;
  const rough = weather === 'rough';
  return {
    ...fine,
    jitter: chance.pick([0, 0, 5, rough ? 100 : 20]),
    loss: chance.pick(rough ? [0, 0.05, 0.15, 0.3] : [0, 0.001, 0.01, 0.05]),
    burst: chance.often(0.25) ? { fall: 0.01, rise: chance.between(0.05, 0.5), loss: rough ? 1 : 0.5 } : undefined,
    reorder: chance.pick([0, 0, 0.01, rough ? 0.3 : 0.05]),
    reorderBy: chance.pick([1, 10, 80]),
    duplicate: chance.pick([0, 0, 0.01, rough ? 0.2 : 0.02]),
    corrupt: chance.pick([0, 0, 0, rough ? 0.1 : 0.01]),
  };
}

/** What the path becomes at the end: nothing is lost but in its queue, which is long enough. */
export function kind(manner: Manner): Manner {
  const bytesPerMs = Math.max(manner.bytesPerMs, 125);
  return {
    ...KIND,
    delay: manner.delay,
    mtu: Math.max(manner.mtu, 1200),
    bytesPerMs,
    queueBytes: Math.max(manner.queueBytes, 30_000),
  };
}

/** @param window What may be on its way at one time, in bytes: who has little of it says little. */
export function mannersOf(chance: Chance, window: number): Manners {
  const much = chance.often(0.02) ? 2_500_000 : 300_000;
  const budget = Math.min(window * 30, chance.pick([1000, 10_000, 30_000, 60_000, 100_000, much]));
  return {
    budget,
    streams: chance.pick([1, 3, 10, 40]),
    burst: chance.pick([1, 3, 20]),
    longest: Math.min(budget, chance.pick([100, 3000, 30_000, 2_000_000])),
    loose: chance.pick([0, 0, 0.3, 1]),
    ages: chance.pick([0, 0, 0.2, 0.8]),
    rude: chance.pick([0, 0.3, 1]),
    heeds: chance.often(0.8),
    bytes: chance.pick([0, 0.3, 1]),
    keys: chance.pick([0, 0.1, 1]),
    leaving: chance.pick([0, 0, 0, 0.02]),
  };
}

/** The most that may be on its way at one time to a side with these settings. */
export function windowOf({ limits }: PartySettings): number {
  return Math.min(limits.streamWindowMost ?? Infinity, limits.sessionWindowMost ?? Infinity);
}

export function verdictOf(chance: Chance): Verdict {
  const dice = chance.unit();
  return dice < 0.75 ? 'good' : dice < 0.9 ? 'late' : dice < 0.96 ? 'bad' : 'silent';
}
