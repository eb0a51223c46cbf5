/** The server of `bench:udp-workers`: one process, or a primary with workers on one UDP port. Obeys `mark` over its IPC channel. */
import cluster, { type Worker } from 'node:cluster';
import { startWorkers, thisWorker } from 'hawser';
import { UDPack } from 'hawser/udpack';

/** What one process has used and done since it began. */
export interface Used {
  readonly role: 'alone' | 'primary' | 'worker';
  readonly cpuUs: number;
  readonly datagrams: number;
  readonly forwarded: number;
  readonly dropped: number;
  /** Of packets, as handed to the application. */
  readonly bytes: number;
}

/** What it is told in `BENCH`, as JSON. */
export interface Serving {
  readonly key: string;
  /** 0: one process, without workers. */
  readonly workers: number;
  readonly datagramSize: number;
  readonly echo: boolean;
}

const { key, workers, datagramSize, echo } = JSON.parse(process.env['BENCH'] ?? '{}') as Serving;

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Serves; returns what tells of it, and the port. */
async function serve(): Promise<{ readonly used: () => Used; readonly port: number }> {
  let bytes = 0;
  const worker = thisWorker();
  const udpack = new UDPack({ prikey: key, datagramSize, workers: worker?.channel });
  udpack.on('stream', (stream) =>
    stream.on('data', (packet) => {
      bytes += packet.length;
      if (echo) stream.send(packet);
    }),
  );
  await udpack.ready();
  const role = worker === undefined ? 'alone' : 'worker';
  const used = (): Used => {
    const { datagramsReceived, forwarded, forwardsDropped } = udpack.stats();
    return { role, cpuUs: cpuUs(), datagrams: datagramsReceived, forwarded, dropped: forwardsDropped, bytes };
  };
  return { used, port: udpack.endpoint?.port ?? 0 };
}

function askWorker(worker: Worker): Promise<Used> {
  return new Promise((resolve) => {
    const hear = (message: { readonly used?: Used }): void => {
      if (message.used === undefined) return;
      worker.off('message', hear);
      resolve(message.used);
    };
    worker.on('message', hear);
    worker.send('mark');
  });
}

async function supervise(): Promise<void> {
  let port = 0;
  await startWorkers({
    workers,
    ready: 'told',
    onEvent: (happened) => {
      if (happened.event === 'ready') ({ port } = happened.data as { port: number });
    },
  });
  process.on('message', async () => {
    const others = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    const own: Used = { role: 'primary', cpuUs: cpuUs(), datagrams: 0, forwarded: 0, dropped: 0, bytes: 0 };
    process.send?.({ used: [own, ...(await Promise.all(others.map(askWorker)))] });
  });
  process.send?.({ port });
}

if (workers > 0 && cluster.isPrimary) await supervise();
else {
  const { used, port } = await serve();
  const worker = thisWorker();
  process.on('message', (message) => {
    if (message === 'mark') process.send?.(worker === undefined ? { used: [used()] } : { used: used() });
  });
  if (worker === undefined) process.send?.({ port });
  else worker.ready({ port });
  process.on('disconnect', () => process.exit());
}
