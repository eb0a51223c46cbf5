import type { Random } from '../../src/core/index.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { EngineName } from './backend.ts';
import { FAULTS, type FaultName, faultsFor } from './fault-kinds.ts';

/** One fault of a plan: what, to whom, and when. */
export interface PlannedFault {
  readonly fault: FaultName;
  /** The number of the node. */
  readonly victim: number;
  /** ms after the step's beginning */
  readonly after: number;
  /** ms */
  readonly lasts: number;
  readonly dice: readonly number[];
}

/** Faults that are there at the same time, mostly one. All is well before a step and after it. */
export type Step = readonly PlannedFault[];

/** What one seed stands for. The same on any machine; how processes come to act in it is not. */
export interface Plan {
  readonly seed: number;
  readonly engine: EngineName;
  readonly nodes: number;
  readonly members: readonly { readonly first: number; readonly transport: 'tcp' | 'ws' }[];
  readonly publishers: number;
  /** Members that come and go all the time. */
  readonly visitors: number;
  /** The longest pause of a publisher between two messages to a room, ms. */
  readonly pause: number;
  readonly steps: readonly Step[];
}

export interface PlanOptions {
  /** Only these. Default all that the engine can have. */
  readonly faults?: readonly FaultName[] | undefined;
  /** Default 2 or 3. */
  readonly steps?: number | undefined;
  /** No fault lasts longer, ms. */
  readonly lasts?: number | undefined;
}

const DICE = 4;
const FAULTS_MOST = 3;
/** In odd seeds: how often a fault has company, and that again. In even ones each comes alone. */
const TOGETHER = 0.6;

/** @throws Error when the engine can't have any of the faults. */
export function planOf(seed: number, engine: EngineName, { faults, steps, lasts = Infinity }: PlanOptions = {}): Plan {
  const random = seededRandom(seed);
  const known = faultsFor(engine);
  const names = faults === undefined ? known : faults.filter((name) => known.includes(name));
  if (names.length === 0) throw new Error(`engine ${engine} has none of these faults: ${faults?.join(', ')}`);
  const nodes = engine === 'memory' ? 1 : 3;
  const members = Array.from({ length: 6 + whole(random, 3) }, (_, at) => ({
    first: at % nodes,
    transport: random.unit() < 0.5 ? ('tcp' as const) : ('ws' as const),
  }));
  const publishers = 3 + whole(random, 2);
  const pause = 20 + whole(random, 60);
  const count = steps ?? 2 + whole(random, 2);
  return {
    seed,
    engine,
    nodes,
    members,
    publishers,
    visitors: 1 + whole(seededRandom(seed + 1), 3),
    pause,
    // With few kinds of fault each is met as often as the others.
    steps: Array.from({ length: count }, (_, at) => {
      const step = stepOf(
        random,
        names,
        nodes,
        (Math.floor(seed / 2) + 5 * at) % names.length,
        seed % 2 === 0 ? 0 : TOGETHER,
      );
      return step.map((one) => ({ ...one, lasts: Math.min(one.lasts, lasts) }));
    }),
  };
}

function stepOf(random: Random, names: readonly FaultName[], nodes: number, at: number, together: number): Step {
  const first = faultOf(random, names[at] ?? 'cut-clients', nodes, 0);
  const step = [first];
  while (step.length < FAULTS_MOST && random.unit() < together) {
    const name = names[whole(random, names.length)] ?? 'cut-clients';
    const next = faultOf(random, name, nodes, whole(random, Math.max(1, first.lasts)));
    if (!step.some((one) => clashes(one, next))) step.push(next);
  }
  return step;
}

function faultOf(random: Random, fault: FaultName, nodes: number, after: number): PlannedFault {
  const [least, most] = FAULTS[fault].lasts;
  const lasts = least + whole(random, most - least + 1);
  const dice = Array.from({ length: DICE }, () => random.unit());
  return { fault, victim: whole(random, nodes), after, lasts, dice };
}

/** The same thing can't be killed, stopped or held twice at once. */
function clashes(a: PlannedFault, b: PlannedFault): boolean {
  const [one, other] = [holdOf(a), holdOf(b)];
  return one === 'all' || other === 'all' || (one !== undefined && one === other);
}

/** What nobody else may touch meanwhile; undefined for nothing. */
function holdOf({ fault, victim }: PlannedFault): string | undefined {
  switch (fault) {
    case 'restart-workers':
    case 'kill-primary':
      return 'all';
    case 'cut-clients':
    case 'cut-engine':
      return undefined;
    case 'part-clients':
    case 'part-engine':
      return `${fault} ${victim}`;
    case 'shake-clients':
    case 'shake-engine':
    case 'slow-engine':
      return fault;
    default:
      return fault === 'clock' || fault.endsWith('-node') ? `node ${victim}` : 'server';
  }
}

/** A whole number from 0, below `below`. */
function whole(random: Random, below: number): number {
  return Math.floor(random.unit() * below);
}
