import { cpSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../src/testing/index.ts';
import type { EngineName } from './backend.ts';
import type { Site, Slot } from './site.ts';

/** Ends a fault. */
export type Heal = () => Promise<void>;

/** What a fault is done to, and dice of its own: numbers in [0, 1) that the seed has thrown. */
export interface Scene {
  readonly site: Site;
  readonly victim: Slot;
  readonly dice: readonly number[];
}

export interface FaultKind {
  /** For people: what happens. */
  readonly words: string;
  readonly engines: readonly EngineName[];
  /** How long it may last, ms. */
  readonly lasts: readonly [number, number];
  /** The other nodes are to notice that the victim is gone, when it lasts. */
  readonly hidesNode?: boolean;
  /** Reasons for which members may be told `gap`, by engine; `all` for any. */
  readonly mayGap?: Partial<Record<EngineName | 'all', readonly string[]>>;
  begin(scene: Scene): Promise<Heal>;
}

export type FaultName =
  | 'kill-node'
  | 'stop-node'
  | 'drain-node'
  | 'cut-clients'
  | 'part-clients'
  | 'shake-clients'
  | 'clock'
  | 'restart-workers'
  | 'kill-primary'
  | 'part-engine'
  | 'cut-engine'
  | 'shake-engine'
  | 'slow-engine'
  | 'kill-engine'
  | 'lose-engine'
  | 'rewind-engine'
  | 'stop-engine'
  | 'kill-leader'
  | 'stop-leader';

const ANY = ['memory', 'cluster', 'nats', 'nats-3', 'redis'] as const;
const SERVED = ['nats', 'redis'] as const;
/** Workers whose primary is gone end within, ms. */
const ORPHAN_WAIT = 5000;
const NOTHING: Heal = async () => {};
/** The log of a node in memory ends with it. */
const MEMORY_GAPS = { memory: ['epoch'] } as const;

export const FAULTS: Readonly<Record<FaultName, FaultKind>> = {
  'kill-node': {
    words: 'kill -9 of a node (a worker), started again later',
    engines: ANY,
    lasts: [300, 12_000],
    hidesNode: true,
    mayGap: MEMORY_GAPS,
    begin: async ({ victim }) => {
      await victim.process.kill();
      return () => victim.start();
    },
  },
  'stop-node': {
    words: 'SIGSTOP of a node (a worker), SIGCONT later',
    engines: ANY,
    lasts: [500, 12_000],
    hidesNode: true,
    begin: async ({ victim }) => {
      victim.process.freeze();
      return async () => victim.process.thaw();
    },
  },
  'drain-node': {
    words: 'a node drained (GOAWAY), and started again',
    engines: ANY,
    lasts: [1500, 5000],
    mayGap: MEMORY_GAPS,
    begin: async ({ victim }) => {
      await victim.process.drain(1000);
      return () => victim.start();
    },
  },
  'cut-clients': {
    words: 'all lines between clients and a node cut at once',
    engines: ANY,
    lasts: [0, 0],
    begin: async ({ victim }) => {
      victim.tcp.cut();
      victim.ws.cut();
      return NOTHING;
    },
  },
  'part-clients': {
    words: 'nothing gets through between clients and a node',
    engines: ANY,
    lasts: [500, 5000],
    begin: async ({ victim }) => {
      victim.tcp.hold();
      victim.ws.hold();
      return async () => {
        victim.tcp.release();
        victim.ws.release();
      };
    },
  },
  'shake-clients': {
    words: 'the lines of clients to all nodes cut again and again',
    engines: ANY,
    lasts: [2000, 6000],
    begin: async ({ site, dice }) => {
      return again(
        dice,
        site.slots.flatMap(({ tcp, ws }) => [() => tcp.cut(), () => ws.cut()]),
      );
    },
  },
  clock: {
    words: 'the time of day of a node off by an hour, and right again',
    engines: ANY,
    lasts: [1000, 4000],
    begin: async ({ victim, dice: [which = 0] }) => {
      await victim.process.ask('clock', { offset: which < 0.5 ? 3_600_000 : -3_600_000 });
      return () => victim.process.ask('clock', { offset: 0 });
    },
  },
  'restart-workers': {
    words: 'all workers replaced, one after the other',
    engines: ['cluster'],
    lasts: [0, 0],
    begin: async ({ site }) => {
      await site.primary.restart(60_000);
      return async () => {
        await Promise.all(site.slots.map((slot) => slot.start()));
      };
    },
  },
  'kill-primary': {
    words: 'kill -9 of the primary process, which its workers do not survive; all started again',
    engines: ['cluster'],
    lasts: [500, 3000],
    mayGap: { cluster: ['epoch'] },
    begin: async ({ site }) => {
      const { primary } = site;
      await primary.process.kill();
      await gone(primary.pids);
      return async () => {
        await site.startPrimary();
        await Promise.all(site.slots.map((slot) => slot.start()));
      };
    },
  },
  'part-engine': {
    words: "nothing gets through between a node and the engine's server",
    engines: SERVED,
    lasts: [500, 12_000],
    hidesNode: true,
    begin: async ({ victim, dice: [ending = 0] }) => {
      victim.toEngine?.hold();
      return async () => {
        if (ending < 0.5) victim.toEngine?.cut();
        victim.toEngine?.release();
      };
    },
  },
  'cut-engine': {
    words: "the line between a node and the engine's server cut",
    engines: SERVED,
    lasts: [0, 0],
    begin: async ({ victim }) => {
      victim.toEngine?.cut();
      return NOTHING;
    },
  },
  'shake-engine': {
    words: "the lines of all nodes to the engine's server cut again and again",
    engines: SERVED,
    lasts: [2000, 6000],
    begin: async ({ site, dice }) => {
      return again(
        dice,
        site.slots.map(
          ({ toEngine }) =>
            () =>
              toEngine?.cut(),
        ),
      );
    },
  },
  'slow-engine': {
    words: "the engine's server slow: up to 300 ms more each way, 0.2 to 1 MB/s for each node",
    engines: SERVED,
    lasts: [2000, 6000],
    begin: async ({ site, dice: [longer = 0, rate = 0] }) => {
      const slowness = { delay: 20 + 280 * longer, rate: 200_000 + 800_000 * rate };
      for (const { toEngine } of site.slots) toEngine?.slow(slowness);
      return async () => {
        for (const { toEngine } of site.slots) toEngine?.slow(undefined);
      };
    },
  },
  'kill-engine': {
    words: "kill -9 of the engine's server, started again with its data",
    engines: SERVED,
    lasts: [200, 5000],
    begin: async ({ site }) => {
      const [daemon] = site.backend.daemons;
      await daemon?.stop('SIGKILL');
      return async () => daemon?.start();
    },
  },
  'lose-engine': {
    words: "kill -9 of the engine's server, started again without its data",
    engines: SERVED,
    lasts: [200, 5000],
    mayGap: { all: ['epoch'] },
    begin: async ({ site }) => {
      const [daemon] = site.backend.daemons;
      await daemon?.stop('SIGKILL');
      daemon?.wipe();
      return async () => daemon?.start();
    },
  },
  'rewind-engine': {
    words: "kill -9 of the engine's server, started again with data of some seconds before",
    engines: SERVED,
    lasts: [1000, 5000],
    mayGap: { all: ['epoch', 'unknown'] },
    begin: async ({ site }) => {
      const [daemon] = site.backend.daemons;
      if (daemon === undefined) return NOTHING;
      const [data, copy] = ['data', 'copy'].map((name) => join(daemon.folder, name)) as [string, string];
      cpSync(data, copy, { recursive: true });
      return async () => {
        await daemon.stop('SIGKILL');
        daemon.wipe();
        renameSync(copy, data);
        await daemon.start();
      };
    },
  },
  'stop-engine': {
    words: "SIGSTOP of the engine's server, SIGCONT later",
    engines: SERVED,
    lasts: [500, 9000],
    begin: async ({ site }) => {
      const [daemon] = site.backend.daemons;
      daemon?.freeze();
      return async () => daemon?.thaw();
    },
  },
  'kill-leader': {
    words: 'kill -9 of the leader of three servers, started again with its data',
    engines: ['nats-3'],
    lasts: [1000, 9000],
    begin: async ({ site }) => {
      const leader = await site.backend.leader();
      await leader.stop('SIGKILL');
      return () => leader.start({ wait: false });
    },
  },
  'stop-leader': {
    words: 'SIGSTOP of the leader of three servers, SIGCONT later',
    engines: ['nats-3'],
    lasts: [1000, 9000],
    begin: async ({ site }) => {
      const leader = await site.backend.leader();
      leader.freeze();
      return async () => leader.thaw();
    },
  },
};

/** Does each of these again and again, after 100 to 900 ms by dice. */
function again(dice: readonly number[], acts: readonly (() => void)[]): Heal {
  const random = seededRandom(Math.floor((dice[0] ?? 0) * 2 ** 32));
  let isOver = false;
  const loops = acts.map(async (act) => {
    for (;;) {
      await delay(100 + 800 * random.unit());
      if (isOver) return;
      act();
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(loops);
  };
}

/** Waits until no process has one of these ids. @throws Error when one stays. */
async function gone(pids: readonly number[]): Promise<void> {
  const end = performance.now() + ORPHAN_WAIT;
  while (pids.some(isThere)) {
    if (performance.now() > end) throw new Error(`processes stay without their parent: ${pids.filter(isThere).join()}`);
    await delay(20);
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function faultsFor(engine: EngineName): readonly FaultName[] {
  return (Object.keys(FAULTS) as FaultName[]).filter((name) => FAULTS[name].engines.includes(engine));
}

export function reasonsOf(name: FaultName, engine: EngineName): readonly string[] {
  const { mayGap = {} } = FAULTS[name];
  return [...(mayGap.all ?? []), ...(mayGap[engine] ?? [])];
}
