/** The process of all members: raw sockets to all nodes in turn. It does what the conductor orders. */
import type { Answer } from '../asking.ts';
import { clock, Latencies } from '../udp/tally.ts';
import { Line } from '../ws/line.ts';
import { speechOf } from '../ws/speech.ts';
import type { Load, Mark, MembersOrder, Task } from './orders.ts';

/** Connections that are being opened at one time. */
const AT_ONCE = 16;

const lines: Line[] = [];
const latencies = new Latencies();
let messages = 0;
let ports: readonly number[] = [];
let anyLength = false;
let task: Task;

async function dial(port: number): Promise<Line> {
  const { peer, burst, size } = task;
  const speech = speechOf(peer, { kind: 'broadcast', burst, size }, { port });
  const line = new Line({ ...speech, answersVary: anyLength }, { port });
  await line.open();
  return line;
}

/** The first is on the first node, the second on the second, and so on. */
async function open(count: number): Promise<void> {
  while (lines.length < count) {
    const next = Array.from({ length: Math.min(AT_ONCE, count - lines.length) }, (_, i) => {
      return dial(ports[(lines.length + i) % ports.length] ?? 0);
    });
    lines.push(...(await Promise.all(next)));
  }
}

function ask(): void {
  const [first] = lines;
  const { peer, burst, size } = task;
  const [exchange] = speechOf(peer, { kind: 'broadcast', burst, size }, { port: 0 }).exchanges;
  if (first !== undefined && exchange !== undefined) first.send(exchange.say);
}

function begin(load: Load): void {
  if (load.kind === 'bursts') bursts(load.burst);
  else announcements(load.everyMs);
}

function bursts(burst: number): void {
  const all = burst * lines.length;
  let missing = all;
  const onAnswers = (_line: Line, answers: number): void => {
    messages += answers;
    missing -= answers;
    if (missing > 0) return;
    missing = all;
    ask();
  };
  for (const line of lines) line.onAnswers = onAnswers;
  ask();
}

/** Only those on other nodes than the first, where there are others. */
function announcements(everyMs: number): void {
  let sentAt = 0;
  for (const [at, line] of lines.entries()) {
    const isFar = ports.length === 1 || at % ports.length > 0;
    line.onAnswers = (_line, answers) => {
      messages += answers;
      const waited = clock() - sentAt;
      if (!isFar) return;
      for (let i = 0; i < answers; i++) latencies.add(waited);
    };
  }
  setInterval(() => {
    sentAt = clock();
    ask();
  }, everyMs);
}

function listen(): void {
  for (const line of lines) {
    line.onAnswers = (_line, answers) => {
      messages += answers;
    };
  }
}

async function obey(order: MembersOrder): Promise<unknown> {
  switch (order.do) {
    case 'aim':
      ({ task, ports, anyLength } = order);
      return undefined;
    case 'open':
      return open(order.connections);
    case 'begin':
      return begin(order.load);
    case 'count':
      return listen();
    default:
      return { atMs: clock(), messages, latency: latencies.summary() } satisfies Mark;
  }
}

process.on('message', (order: MembersOrder) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
