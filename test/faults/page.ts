import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/tree.ts';
import { ENGINES, type EngineName } from './backend.ts';
import { FAULTS, type FaultName, faultsFor } from './fault-kinds.ts';
import type { SeedRecord } from './record.ts';
import type { StepOutcome } from './run.ts';

const TITLES: Readonly<Record<EngineName, string>> = {
  memory: 'One node (`memory`)',
  cluster: 'Worker processes of one machine (`cluster`)',
  nats: 'NATS, one server (`nats`)',
  'nats-3': 'NATS, a cluster of three servers (`nats`)',
  redis: 'Redis (`redis`)',
};

const HEAD = `# Faults

What becomes of messages, members and presence when nodes, engines and the lines between them fail: measured with real processes. This page is
made by \`npm run proof:faults\` from bench/results/faults.json, which says for each seed at which commit it was played.

Three nodes (one for \`memory\`), 6 to 8 members over TCP and WebSocket, 3 or 4 publishers. Every message has a number, and everything that any member
hears is checked against everything that was published: in rooms with history nothing may be lost without a \`gap\`, come twice or out of order, and
all members must see one order; in rooms without history the messages of one socket keep their order and come once in a session, and may be
lost only while something is wrong. After each fault all nodes must know each other and who is in the rooms. How the faults are chosen and what exactly
is checked: [TESTING.md](TESTING.md).

| Column | What it says (median, and the longest in brackets; s) |
| --- | --- |
| Times | How often it was played alone, and together with another fault |
| Lasted | From the fault's beginning to its end |
| Noticed | Until another node took the node for dead (\`server.nodes()\`), where it lasted long enough for that |
| Gone | Until the node's sockets were gone from a room, as another node sees it |
| Refused | Until the first publisher was refused or had no answer in 3 s |
| Silence | The longest time between two messages of a room that any member got |
| All go on | From the fault's beginning until the last member went on that had heard nothing in a room for over a second; – when none had |
| Settled | From the fault's end until all nodes knew each other and who is in the rooms |
| Published | Messages published from the fault's beginning until the next |
| Gaps | Members that were told \`gap\`, with the reason |
| Lost without history | Messages of the room without history that a member didn't get, of those that it should have, in % |
`;

/** The whole page. */
export function pageOf(records: readonly SeedRecord[]): string {
  const parts = ENGINES.flatMap((engine) => {
    const own = records.filter((record) => record.engine === engine);
    return own.length === 0 ? [] : [engineOf(engine, own)];
  });
  return [HEAD, ...parts].join('\n');
}

export function writePage(records: readonly SeedRecord[]): void {
  writeFileSync(join(ROOT, 'docs/FAULTS.md'), pageOf(records));
}

function engineOf(engine: EngineName, records: readonly SeedRecord[]): string {
  const sum = (of: (record: SeedRecord) => number): string => {
    return records.reduce((total, record) => total + of(record), 0).toLocaleString('en');
  };
  const failed = records.filter(({ against }) => against.length > 0).map(({ seed }) => seed);
  const commits = [...new Set(records.map(({ commit }) => `\`${commit}\``))].join(', ');
  const totals = `${records.length} seeds (${rangesOf(records.map(({ seed }) => seed))}) at ${commits}: ${sum(({ published }) => published)} messages published, ${sum(
    ({ heard }) => heard,
  )} heard by members. In rooms with history **${sum(({ lost }) => lost)} lost without a gap, ${sum(
    ({ doubled }) => doubled,
  )} doubled, ${sum(({ swapped }) => swapped)} out of order**; ${sum(({ recovered }) => recovered)} recoveries after a reconnect.`;
  const verdict =
    failed.length === 0 ? 'Nothing spoke against any of them.' : `Something spoke against ${rangesOf(failed)}.`;
  const rows = faultsFor(engine).map((fault) => rowOf(fault, records));
  return `## ${TITLES[engine]}

${totals} ${verdict}

| Fault | Times | Lasted | Noticed | Gone | Refused | Silence | All go on | Settled | Published | Gaps | Lost without history |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function rowOf(fault: FaultName, records: readonly SeedRecord[]): string {
  const steps = records.flatMap((record) => record.steps).filter(({ faults }) => faults.includes(fault));
  const alone = steps.filter(({ faults }) => faults.length === 1);
  const time = (of: (step: StepOutcome) => number | undefined): string => timesOf(alone.map(of));
  const gaps: Record<string, number> = {};
  for (const step of alone) {
    for (const [reason, count] of Object.entries(step.gaps)) gaps[reason] = (gaps[reason] ?? 0) + count;
  }
  const cells = [
    `**${fault}**: ${FAULTS[fault].words}`,
    `${alone.length} and ${steps.length - alone.length}`,
    time(({ lasted }) => lasted),
    time(({ detected }) => detected),
    time(({ gone }) => gone),
    time(({ refused }) => refused),
    time(({ silence }) => silence),
    time(({ wentOn }) => wentOn),
    time(({ settled }) => settled),
    alone.reduce((total, { published }) => total + published, 0).toLocaleString('en'),
    Object.entries(gaps)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || 'none',
    lossOf(alone),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Of what members should have had in the room without history. */
function lossOf(steps: readonly StepOutcome[]): string {
  const expected = steps.reduce((total, { plain }) => total + plain, 0);
  const lost = steps.reduce((total, { lostPlain }) => total + lostPlain, 0);
  return expected === 0 ? '–' : ((100 * lost) / expected).toFixed(1);
}

function timesOf(times: readonly (number | undefined)[]): string {
  const known = times.filter((time) => time !== undefined).toSorted((a, b) => a - b);
  const middle = known[Math.floor((known.length - 1) / 2)];
  const most = known.at(-1);
  return middle === undefined || most === undefined ? '–' : `${seconds(middle)} (${seconds(most)})`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

/** Whole numbers, sorted, as `1 to 5, 9`. */
export function rangesOf(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].toSorted((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ');
}
