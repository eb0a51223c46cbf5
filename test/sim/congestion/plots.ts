import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ControllerName } from '../../../src/udpack/congestion/index.ts';
import { mbit, type Outcome, run, type Scenario } from './scenario.ts';
import { type Panel, svg } from './svg.ts';

/** Draws docs/decisions/congestion/*.svg: queue, windows and throughput over time, of runs that a seed makes again. */

const folder = fileURLToPath(new URL('../../../docs/decisions/congestion/', import.meta.url));

const RATE = mbit(20);
const PRODUCT = RATE * 40;

function alone(kind: ControllerName): Scenario {
  return { seed: 1, duration: 20_000, link: { rate: RATE, queue: PRODUCT }, flows: [{ kind, delay: 20 }] };
}

const scenarios: Readonly<Record<string, Scenario>> = {
  bbr: alone('bbr'),
  cubic: alone('cubic'),
  newreno: alone('newreno'),
  'bbr-beside-cubic': {
    seed: 1,
    duration: 60_000,
    link: { rate: RATE, queue: PRODUCT },
    flows: [
      { kind: 'bbr', delay: 20 },
      { kind: 'cubic', delay: 20 },
    ],
  },
  'bbr-joins-bbr': {
    seed: 1,
    duration: 60_000,
    link: { rate: RATE, queue: PRODUCT },
    flows: [
      { kind: 'bbr', delay: 20 },
      { kind: 'bbr', delay: 20, start: 10_000 },
    ],
  },
  steps: {
    seed: 1,
    duration: 40_000,
    link: { rate: RATE, queue: PRODUCT },
    steps: [
      { at: 10_000, rate: RATE / 4 },
      { at: 25_000, rate: RATE },
    ],
    flows: [{ kind: 'bbr', delay: 20 }],
  },
  loss: {
    seed: 1,
    duration: 20_000,
    link: { rate: RATE, queue: PRODUCT, loss: 0.03 },
    flows: [{ kind: 'bbr', delay: 20 }],
  },
};

/** Samples of one picture: enough for the eye, few enough for a small file. */
const POINTS = 300;

function panels(outcome: Outcome, scenario: Scenario, every: number): readonly Panel[] {
  const times = outcome.samples.map((one) => one.at / 1000);
  const perFlow = (value: (sample: number, flow: number) => number): Panel['lines'] =>
    outcome.flows.map((flow, at) => ({
      name: flow.options.name,
      values: outcome.samples.map((_, sample) => value(sample, at)),
    }));
  const delivered = (sample: number, flow: number): number => outcome.samples[sample]?.flows[flow]?.delivered ?? 0;
  const span = Math.max(1, Math.round(500 / every));
  return [
    {
      title: 'goodput, Mbit/s (mean of 500 ms)',
      times,
      lines: perFlow((sample, flow) => {
        const from = Math.max(0, sample - span);
        return (delivered(sample, flow) - delivered(from, flow)) / Math.max(1, sample - from) / every / 125;
      }),
    },
    {
      title: 'window, KB',
      times,
      lines: perFlow((sample, flow) => (outcome.samples[sample]?.flows[flow]?.window ?? 0) / 1000),
    },
    {
      title: `queue, KB of ${Math.round(scenario.link.queue / 1000)}`,
      times,
      lines: [{ name: 'queue', values: outcome.samples.map((one) => one.queued / 1000) }],
    },
  ];
}

mkdirSync(folder, { recursive: true });
for (const [name, scenario] of Object.entries(scenarios)) {
  const every = scenario.duration / POINTS;
  const outcome = run({ ...scenario, every });
  const picture = svg(name.replaceAll('-', ' '), panels(outcome, scenario, every));
  writeFileSync(`${folder}${name}.svg`, picture);
  console.log(`${name}.svg ${picture.length} bytes`);
}
