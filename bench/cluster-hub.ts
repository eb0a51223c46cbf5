/**
 * What a message costs between workers of one program: `npx tsx bench/cluster-hub.ts [WORKERS [MESSAGES [BYTES]]]`. Each worker publishes to a room, then
 * adds to the log of one, that all of them hear; a hundred are on their way at one time from each. CPU is user and system time.
 */
import { ClusterBus } from '../src/engines/cluster/cluster-bus.ts';
import { startWorkers, thisWorker } from '../src/engines/cluster/index.ts';
import { findDoor } from '../src/engines/cluster/this-worker.ts';

const [workers = 2, messages = 200_000, bytes = 128] = process.argv.slice(2).map(Number);
const ROOM = { kind: 'room', namespace: '/', room: 'bench' } as const;
const RULE = { name: '/ bench', size: 100, age: 60_000 };
const WINDOW = 100;

type How = 'publish' | 'append';
/** From a worker: it has heard all, and its CPU in µs. */
interface Done {
  readonly done: How;
  readonly cpu: number;
}

function cpuOf(usage: NodeJS.CpuUsage): number {
  return usage.user + usage.system;
}

/** Says so many, and hears those of all. */
async function work(): Promise<void> {
  const bus = new ClusterBus('bench', findDoor);
  /** Since the beginning: others may have begun before. */
  const count = { heard: 0, own: 0, due: 0, said: 0 };
  let step: () => void = () => {};
  const hear = (text: Uint8Array): void => {
    count.heard += 1;
    if (text[0] === thisWorker()?.number) count.own += 1;
    if (count.heard === count.due || count.own % WINDOW === 0) step();
  };
  await bus.start({
    received: hear,
    logged: (_namespace, _room, entry) => hear(entry.bytes),
    reconnected: () => {},
    disconnected: (error) => console.error(error),
    report: (error) => console.error(error),
  });
  bus.subscribe(ROOM);
  bus.watchLog('/', 'bench');
  // When this is answered the hub knows what is subscribed to.
  await bus.read('/', 'bench', RULE, {});
  const message = new Uint8Array(bytes).fill(thisWorker()?.number ?? 0);
  process.on('message', async (how: How) => {
    if (how !== 'publish' && how !== 'append') return;
    const before = process.cpuUsage();
    count.due += messages * workers;
    for (let turn = 0; turn < messages; turn += WINDOW) {
      for (let n = 0; n < WINDOW; n++) {
        if (how === 'publish') bus.publish(ROOM, message);
        else void bus.append('/', 'bench', RULE, message, {});
      }
      count.said += WINDOW;
      while (count.own < count.said) await new Promise<void>((resolve) => (step = resolve));
    }
    while (count.heard < count.due) await new Promise<void>((resolve) => (step = resolve));
    process.send?.({ done: how, cpu: cpuOf(process.cpuUsage(before)) } satisfies Done);
  });
  thisWorker()?.ready();
}

async function measure(): Promise<void> {
  const crew = await startWorkers({ workers, ready: 'told' });
  const { default: cluster } = await import('node:cluster');
  const all = Object.values(cluster.workers ?? {});
  for (const how of ['publish', 'append'] as const) {
    const before = process.cpuUsage();
    const began = performance.now();
    const done = all.map(
      (worker) =>
        new Promise<number>((resolve) => {
          worker?.on('message', (said: Done) => said.done === how && resolve(said.cpu));
          worker?.send(how);
        }),
    );
    const cpus = await Promise.all(done);
    const seconds = (performance.now() - began) / 1000;
    const delivered = messages * workers * workers;
    const hub = cpuOf(process.cpuUsage(before)) / delivered;
    const each = cpus.reduce((sum, one) => sum + one, 0) / delivered;
    console.log(
      `${workers} workers, ${how}, ${bytes} bytes: ${Math.round(delivered / seconds)} delivered/s, ` +
        `CPU for each: hub ${hub.toFixed(2)} us, workers ${each.toFixed(2)} us`,
    );
  }
  await crew.stop();
}

if (thisWorker() === undefined) await measure();
else await work();
