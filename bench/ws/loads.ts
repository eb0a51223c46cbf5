import { clock, type Latencies } from '../udp/tally.ts';
import type { Line } from './line.ts';
import type { Exchange } from './speech.ts';

/** What the load generator does with the connections that are open, until the process ends. */
export type LoadOrder =
  /** Each connection keeps so many messages under way. */
  | { readonly kind: 'closed'; readonly inFlight: number }
  /** The first connection asks for the next burst when everybody has had the last one. */
  | { readonly kind: 'bursts'; readonly burst: number }
  /** So many connections at one time are opened and, as soon as they are open, said goodbye to. */
  | { readonly kind: 'churn'; readonly atOnce: number }
  /** Every so often the first connection asks for a message to everybody; measures how long each waits for it. */
  | { readonly kind: 'announcements'; readonly everyMs: number }
  /** So many messages a second in all, whether answers come or not; measures latency. */
  | { readonly kind: 'open'; readonly perSecond: number };

export interface Counts {
  messages: number;
  readonly latencies: Latencies;
}

export function startLoad(
  load: LoadOrder,
  lines: readonly Line[],
  exchanges: readonly Exchange[],
  counts: Counts,
  dial: () => Promise<Line>,
): void {
  if (load.kind === 'churn') churn(load.atOnce, counts, dial);
  else if (load.kind === 'closed') closedLoop(load.inFlight, lines, exchanges, counts);
  else if (load.kind === 'announcements') announcements(load.everyMs, lines, exchanges, counts);
  else if (load.kind === 'bursts') bursts(load.burst, lines, exchanges, counts);
  else openLoop(load.perSecond, lines, exchanges, counts);
}

/** Exchanges one after the other, over and over, such that any run of them is one piece of memory. */
class Ring {
  readonly #bytes: Buffer;
  readonly #each: number;
  readonly #count: number;

  constructor(exchanges: readonly Exchange[]) {
    const all = exchanges.map(({ say }) => say);
    this.#each = all[0]?.length ?? 0;
    this.#count = all.length;
    if (all.some(({ length }) => length !== this.#each)) throw new Error('messages of one load are of one length');
    this.#bytes = Buffer.concat(this.#count === 1 ? all : [...all, ...all]);
  }

  /** Sends the line's next messages, at most as many as there are exchanges with one write. */
  send(line: Line, wanted: number): void {
    for (let left = wanted; left > 0; ) {
      const count = Math.min(left, this.#count);
      const at = line.next * this.#each;
      line.send(this.#bytes.subarray(at, at + count * this.#each));
      line.next = (line.next + count) % this.#count;
      left -= count;
    }
  }
}

function closedLoop(inFlight: number, lines: readonly Line[], exchanges: readonly Exchange[], counts: Counts): void {
  const ring = new Ring(exchanges);
  const onAnswers = (line: Line, answers: number): void => {
    counts.messages += answers;
    ring.send(line, answers);
  };
  for (const line of lines) {
    line.onAnswers = onAnswers;
    ring.send(line, inFlight);
  }
}

function churn(atOnce: number, counts: Counts, dial: () => Promise<Line>): void {
  const lane = async (): Promise<void> => {
    for (;;) {
      const line = await dial();
      counts.messages += 1;
      await line.leave();
    }
  };
  for (let i = 0; i < atOnce; i++) void lane();
}

function bursts(burst: number, lines: readonly Line[], exchanges: readonly Exchange[], counts: Counts): void {
  const [first] = lines;
  const [exchange] = exchanges;
  if (first === undefined || exchange === undefined) throw new Error('a broadcast needs somebody who listens');
  const all = burst * lines.length;
  let missing = all;
  const onAnswers = (_line: Line, answers: number): void => {
    counts.messages += answers;
    missing -= answers;
    if (missing > 0) return;
    missing = all;
    first.send(exchange.say);
  };
  for (const line of lines) line.onAnswers = onAnswers;
  first.send(exchange.say);
}

function announcements(everyMs: number, lines: readonly Line[], exchanges: readonly Exchange[], counts: Counts): void {
  const [first] = lines;
  const [exchange] = exchanges;
  if (first === undefined || exchange === undefined) throw new Error('a broadcast needs somebody who listens');
  let sentAt = 0;
  const onAnswers = (_line: Line, answers: number): void => {
    const waited = clock() - sentAt;
    for (let i = 0; i < answers; i++) counts.latencies.add(waited);
    counts.messages += answers;
  };
  for (const line of lines) line.onAnswers = onAnswers;
  setInterval(() => {
    sentAt = clock();
    first.send(exchange.say);
  }, everyMs);
}

const TICK_MS = 1;

/** Messages that are late because the generator is late count from when they were due. */
function openLoop(perSecond: number, lines: readonly Line[], exchanges: readonly Exchange[], counts: Counts): void {
  const ring = new Ring(exchanges);
  const due = new Map<Line, number[]>(lines.map((line) => [line, []]));
  const onAnswers = (line: Line, answers: number): void => {
    const now = clock();
    const times = due.get(line) ?? [];
    for (const at of times.splice(0, answers)) counts.latencies.add(now - at);
    counts.messages += answers;
  };
  for (const line of lines) line.onAnswers = onAnswers;
  const began = clock();
  let sent = 0;
  const tick = (): void => {
    const now = clock();
    for (; began + (sent * 1000) / perSecond <= now; sent++) {
      const line = lines[sent % lines.length];
      if (line === undefined) return;
      due.get(line)?.push(began + (sent * 1000) / perSecond);
      ring.send(line, 1);
    }
    setTimeout(tick, TICK_MS);
  };
  tick();
}
