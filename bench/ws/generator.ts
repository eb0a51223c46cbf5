/** The process that makes the load: all connections of it, on raw sockets. It does what the conductor orders over the IPC channel. */

import type { Answer } from '../asking.ts';
import { clock, Latencies } from '../udp/tally.ts';
import { Line } from './line.ts';
import { type Counts, startLoad } from './loads.ts';
import type { GeneratorOrder, Mark, Target, Task } from './orders.ts';
import { type Speech, speechOf } from './speech.ts';

/** Connections that are being opened at one time. */
const AT_ONCE = 32;

const counts: Counts = { messages: 0, latencies: new Latencies() };
const lines: Line[] = [];
let task: Task;
let speech: Speech;
let target: Target;

/** What is to be measured happens once, byte by byte: on two connections, of which the first one speaks. */
async function verify(): Promise<void> {
  const first = await dial();
  const second = await dial();
  const { exchanges } = speech;
  for (const { say, hear } of task.kind === 'broadcast' ? exchanges.slice(0, 1) : exchanges) {
    const burst = task.kind === 'broadcast' ? task.burst : 1;
    const heard = first.ask(say, burst);
    const heardToo = task.kind === 'broadcast' ? second.ask(Buffer.alloc(0), burst) : second.ask(say);
    for (const frame of [...(await heard), ...(await heardToo)]) {
      if (!frame.equals(hear)) throw new Error(`what came back differs: ${shown(frame)} instead of ${shown(hear)}`);
    }
  }
  first.close();
  second.close();
}

const shown = (bytes: Buffer): string => bytes.subarray(0, 200).toString('latin1');

async function dial(): Promise<Line> {
  const line = new Line(speech, target);
  await line.open();
  return line;
}

async function open(count: number): Promise<void> {
  let left = count - lines.length;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      lines.push(await dial());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

function mark(): Mark {
  return { atMs: clock(), messages: counts.messages, latency: counts.latencies.summary() };
}

async function obey(order: GeneratorOrder): Promise<unknown> {
  switch (order.do) {
    case 'aim':
      ({ task, target } = order);
      speech = speechOf(order.peer, task, target);
      return undefined;
    case 'verify':
      return verify();
    case 'open':
      return open(order.connections);
    case 'begin':
      startLoad(order.load, lines, speech.exchanges, counts, dial);
      return undefined;
    default:
      return mark();
  }
}

process.on('message', (order: GeneratorOrder) => {
  obey(order).then(
    (value) => process.send?.({ value } satisfies Answer),
    (error: unknown) => process.send?.({ error: String((error as Error).stack ?? error) } satisfies Answer),
  );
});
process.on('disconnect', () => process.exit());
