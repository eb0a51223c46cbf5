import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PLANS as NODES_PLANS } from '../nodes/plans.ts';
import { median } from '../ratios.ts';
import { PLANS as UDP_PLANS } from '../udp/plans.ts';
import { PLANS as WS_PLANS } from '../ws/plans.ts';
import { type Row, ratiosOf } from '../ws/ratios.ts';
import { udpOutcomes } from './goals.ts';
import { type NodesResult, nodesOutcomes } from './nodes.ts';
import { commitsOf, isMet, type Outcome, rounded, spread, summaryOf } from './outcomes.ts';
import { fillMarks, marksOf } from './page.ts';
import { PLOTS } from './plots.ts';
import { FIGURES, type Result, ROOT, ratio } from './results.ts';
import { drawn } from './svg.ts';
import { sourceOf, tableOf } from './tables.ts';
import { type WorkerResult, workerOutcomes, workerTable } from './worker.ts';
import { commandsOf, scaleOutcomes, TABLES, type WsResult, wsOutcomes } from './ws.ts';

const page = readFileSync(join(ROOT, 'docs/BENCHMARKS.md'), 'utf8');

describe('every workload', () => {
  test('of bench/ws is in one table, which the page has, and in one plot', () => {
    const names = WS_PLANS.map(({ name }) => name).toSorted();
    expect(Object.values(TABLES).flat().toSorted()).toEqual(names);
    expect(marksOf(page)).toEqual(expect.arrayContaining(Object.keys(TABLES)));
    const plotted = PLOTS.filter(({ figure }) => figure === undefined).flatMap(({ workloads }) =>
      Object.values(workloads),
    );
    expect(plotted.toSorted()).toEqual(names);
  });

  test('of bench/udp has its table on the page, and a plot', () => {
    const names = UDP_PLANS.map(({ name }) => name);
    expect(marksOf(page)).toEqual(expect.arrayContaining(names.map((name) => `udp-${name}`)));
    const plotted = PLOTS.filter(({ figure }) => figure !== undefined).flatMap(({ workloads }) =>
      Object.values(workloads),
    );
    expect(new Set(plotted)).toEqual(new Set(names));
  });

  test('and every plot has a name of its own, and a mark under which it stands', () => {
    expect(new Set(PLOTS.map(({ name }) => name)).size).toBe(PLOTS.length);
    expect(marksOf(page)).toEqual(expect.arrayContaining(PLOTS.map(({ under }) => under)));
  });
});

const outcome = (more: Partial<Outcome>): Outcome => ({
  what: 'Echo',
  ours: '1 µs',
  peer: 'ws',
  theirs: '10 µs',
  value: 0.1,
  unit: ' ×',
  most: 0.12,
  commit: 'aaaaaaaaaaaa',
  ...more,
});

describe('the summary', () => {
  test('counts what was reached, a bound included', () => {
    expect(isMet(outcome({ value: 0.12 }))).toBe(true);
    expect(isMet(outcome({ value: 0.121 }))).toBe(false);
    expect(isMet(outcome({ most: undefined, least: 20, value: 20 }))).toBe(true);
    expect(isMet(outcome({ most: undefined, least: 20, value: 19.9 }))).toBe(false);
    expect(isMet(outcome({ value: Number.NaN }))).toBe(false);
    const text = summaryOf([{ title: 'Links', outcomes: [outcome({}), outcome({ value: 0.2 })] }]);
    expect(text).toContain('1 of 2 aims are reached.');
    expect(text).toContain('**Links**');
    expect(text).toContain('| Echo | 1 µs | ws | 10 µs | **0.100 ×** | ≤ 0.12 × | ✓ reached | aaaaaaa |');
    expect(text).toContain('| **0.200 ×** | ≤ 0.12 × | ✗ **missed** | aaaaaaa |');
  });

  test('says so when its figures are of several commits, and only then', () => {
    const two = [outcome({}), outcome({ commit: 'bbbbbbbbbbbb' })];
    expect(summaryOf([{ title: 'Links', outcomes: two }])).toContain('not to be compared');
    expect(summaryOf([{ title: 'Links', outcomes: [outcome({}), outcome({ commit: '' })] }])).not.toContain('compared');
  });

  test('leaves out what was not measured', () => {
    expect(summaryOf([{ title: 'Links', outcomes: [] }])).toBeUndefined();
    expect(
      summaryOf([
        { title: 'Links', outcomes: [] },
        { title: 'Whole', outcomes: [outcome({})] },
      ]),
    ).not.toContain('Links');
  });
});

test('commits are told apart by what was measured at each', () => {
  expect(commitsOf([{ name: 'a', commit: '1' }])).toBe('commit 1');
  const results = [
    { name: 'a', commit: '1' },
    { name: 'b', commit: '2' },
    { name: 'c', commit: '1' },
  ];
  expect(commitsOf(results)).toBe('commits 1 (a, c) and 2 (b), not to be compared with each other');
});

test('numbers have three digits that count', () => {
  expect([0, 0.0123, 0.5, 1.234, 12.34, 123.4, 1234, 1_234_567].map(rounded)).toEqual([
    '0',
    '0.012',
    '0.500',
    '1.23',
    '12.3',
    '123',
    '1,230',
    '1,230,000',
  ]);
  expect(spread([1, 2, 3], 2)).toBe('**2.00** (1.00 – 3.00)');
  expect(spread([1, 1.001], 1)).toBe('1.00');
  expect(spread([], undefined)).toBe('–');
});

test('the median of an even number of values is between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeUndefined();
});

const row = (repetition: number, peer: Row['peer'], value: number): Row => ({
  repetition,
  peer,
  value,
  seconds: 1,
  count: 1,
  serverCores: 1,
  generatorCores: 1,
  serverRss: 1,
  latencyMs: undefined,
  loadAverage: 1,
  othersCores: 0,
});

function wsResult(name: string, rows: readonly Row[], commit = 'aaaaaaaaaaaa'): WsResult {
  const plan = WS_PLANS.find((one) => one.name === name);
  if (plan === undefined) throw new Error(`no plan ${name}`);
  const command = `npm run bench:ws -- --only ${name} --repetitions 5`;
  return { plan, command, rows, commit, when: '', machine: { cpu: '', cores: 2, kernel: '' }, versions: {} };
}

test('what was measured in the same way has one command', () => {
  const [one, two, three] = ['echo-1', 'echo-16', 'joins'].map((name) => wsResult(name, [])) as [
    WsResult,
    WsResult,
    WsResult,
  ];
  expect(commandsOf([one, two])).toBe('`npm run bench:ws -- --only echo-1,echo-16 --repetitions 5`');
  expect(commandsOf([one, { ...three, command: 'npm run bench:ws -- --only joins --repetitions 3' }])).toBe(
    '`npm run bench:ws -- --only echo-1 --repetitions 5` and `npm run bench:ws -- --only joins --repetitions 3`',
  );
});

describe('ratios', () => {
  test('of bench/ws are made within a repetition', () => {
    const rows = [row(0, 'hawser-link', 1), row(0, 'ws', 10), row(1, 'hawser-link', 30), row(1, 'ws', 60)];
    const result = wsResult('link-echo-1', [...rows, row(2, 'hawser-link', 5)]);
    expect(ratiosOf(result.plan, result.rows)).toMatchObject([{ ratio: 0.3, most: 0.8, met: true }]);
    const found = wsOutcomes(['ws-link'], (name) => (name === 'link-echo-1' ? result : undefined));
    expect(found).toMatchObject([{ ours: '5.00 µs', peer: 'ws', theirs: '35.0 µs', value: 0.3, most: 0.8 }]);
  });

  test('of growth compare many with few, and name both commits', () => {
    const results: Readonly<Record<string, WsResult>> = {
      'scale-100': wsResult('scale-100', [row(0, 'hawser', 4)]),
      'scale-19500': wsResult('scale-19500', [row(0, 'hawser', 6)], 'bbbbbbbbbbbb'),
    };
    expect(scaleOutcomes((name) => results[name])).toMatchObject([
      { ours: '6.00 µs', theirs: '4.00 µs', value: 1.5, most: 1.3, commit: 'bbbbbbb, aaaaaaaaaaaa' },
    ]);
  });

  const udp: Result = {
    plan: UDP_PLANS.find(({ name }) => name === 'bulk-1452') as Result['plan'],
    command: 'npm run bench:udp -- --only bulk-1452',
    when: '2026-01-02T00:00:00Z',
    commit: 'aaaaaaaaaaaa',
    machine: { cpu: 'a cpu', cores: 2, kernel: '6' },
    versions: { node: '20' },
    rows: [
      ['UDPack', 80],
      ['bare path', 100],
    ].map(([variant, megabytes]) => ({
      repetition: 0,
      variant: variant as string,
      seconds: 1,
      bytes: (megabytes as number) * 1e6,
      messages: 0,
      serverCpu: 1,
      clientCpu: 1,
      latencyMs: undefined,
      missing: undefined,
      wireBytes: undefined,
      loadAverage: 1,
      othersCores: 0.01,
    })) as unknown as Result['rows'],
  };

  test('of bench/udp too; an aim without a peer bounds the figure itself', () => {
    expect(ratio(udp, FIGURES.megabytes, 'UDPack', 'bare path')).toBe(0.8);
    const found = udpOutcomes((name) => (name === 'udp-bulk-1452' ? udp : undefined));
    expect(found).toMatchObject([
      { peer: 'bare path', value: 0.8, unit: ' ×', least: 0.75 },
      { peer: '', value: 80, unit: ' MB/s', least: 100 },
    ]);
    expect(found.map(isMet)).toEqual([true, false]);
  });

  test('a table says where it comes from, and who else was busy', () => {
    expect(tableOf(udp)).toContain('| bare path | 100 | 20.0 | 0.800 × |');
    const source = sourceOf(udp);
    for (const part of [udp.command, '1 repetitions', '2026-01-02', udp.commit, 'a cpu', 'node 20', '0.01 of a core']) {
      expect(source).toContain(part);
    }
  });
});

test('echo between threads is told with its aim', () => {
  const result: WorkerResult = {
    command: 'npm run bench:worker-echo',
    when: '2026-01-02T00:00:00Z',
    commit: 'aaaaaaaaaaaa',
    machine: { cpu: 'a cpu', cores: 2, node: 'v20', loadAverage: 1 },
    ratios: [{ bytes: 65_536, inFlight: 4, ratio: 1.4, most: 1.3 }],
    rows: [
      { bytes: 65_536, inFlight: 4, way: 'hawser', cpuUs: 14, perSecond: 1, othersCores: 0.02 },
      { bytes: 65_536, inFlight: 4, way: 'bare', cpuUs: 10, perSecond: 1, othersCores: 0 },
    ],
  };
  const [one] = workerOutcomes(result);
  expect(one).toMatchObject({ what: 'Echo between threads, 64 KiB, 4 in flight', ours: '14.0 µs', theirs: '10.0 µs' });
  expect(one && isMet(one)).toBe(false);
  expect(workerTable(result)).toContain('others kept at most 0.02 of a core busy');
  expect(workerTable(result)).toContain('| 64 KiB, 4 in flight | µs | 14.0 | 10.0 | 1.40 × |');
});

describe('the page', () => {
  const text = 'a\n<!-- summary -->\nold\n<!-- end -->\nb\n<!-- ws-link -->\nkept\n<!-- end -->\n';

  test('has what is between its marks written anew, with pictures; what was not measured stays', () => {
    const filled = fillMarks(
      text,
      (mark) => (mark === 'summary' ? 'new' : undefined),
      () => [{ name: 'x', title: 'X' }],
    );
    expect(filled).toBe(
      'a\n<!-- summary -->\nnew\n\n![X](benchmarks/x.svg)\n<!-- end -->\nb\n<!-- ws-link -->\nkept\n<!-- end -->\n',
    );
    expect(
      fillMarks(
        filled,
        () => undefined,
        () => [],
      ),
    ).toBe(filled);
  });

  test('begins with the summary', () => {
    expect(marksOf(page)[0]).toBe('summary');
  });
});

describe('a plot', () => {
  const chart = (values: readonly number[], logarithmic = false): string =>
    drawn({
      title: 'CPU < time',
      unit: 'µs',
      logarithmic,
      groups: [{ name: 'echo', bars: values.map((value) => ({ name: 'ws', value, text: String(value) })) }],
    });
  const widths = (svg: string): number[] =>
    [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));

  test('has bars as long as their values, and its words escaped', () => {
    const [half = 0, whole = 0] = widths(chart([1, 2]));
    expect(half * 2).toBeCloseTo(whole, 0);
    expect(chart([1, 2])).toContain('CPU &lt; time');
  });

  test('by the logarithm has the same step for the same factor', () => {
    const [a = 0, b = 0, c = 0] = widths(chart([1, 10, 100], true));
    expect(b - a).toBeCloseTo(c - b, 0);
  });

  test('has no length that is no number', () => {
    expect(chart([0, 0])).not.toContain('NaN');
    expect(chart([0, 0], true)).not.toContain('NaN');
  });

  test('has colours for light and for dark pages, and none of its own beside them', () => {
    expect(chart([1])).toContain('prefers-color-scheme: dark');
    expect(chart([1])).not.toMatch(/ fill="/);
  });
});

describe('several nodes', () => {
  const common = { serverUs: 1, perSecond: 10, othersCores: 0 };
  const plan = { ...NODES_PLANS[0], name: 'redis-2', engine: 'redis', most: 0.6 } as NodesResult['plan'];
  const result: NodesResult = {
    plan,
    command: 'npm run bench:nodes',
    when: '2026-01-01',
    commit: 'abc',
    machine: { cpu: 'x', cores: 2, kernel: 'y' },
    versions: {},
    rows: [
      { ...common, repetition: 0, peer: 'hawser', nodesUs: 2 },
      { ...common, repetition: 0, peer: 'socket.io', nodesUs: 4 },
      { ...common, repetition: 1, peer: 'hawser', nodesUs: 9 },
      { ...common, repetition: 1, peer: 'socket.io', nodesUs: 10 },
    ],
  };

  test('are compared within a repetition', () => {
    expect(nodesOutcomes([result])).toMatchObject([
      { value: 0.7, most: 0.6, ours: '5.50 µs CPU', theirs: '7.00 µs CPU' },
    ]);
  });

  test('are no aim where there is nobody beside them', () => {
    expect(nodesOutcomes([{ ...result, rows: result.rows.filter(({ peer }) => peer === 'hawser') }])).toEqual([]);
  });

  test('the page has a mark for each engine', () => {
    expect(marksOf(page)).toEqual(
      expect.arrayContaining(['nodes-cluster', 'nodes-nats', 'nodes-redis', 'nodes-rooms']),
    );
  });
});
