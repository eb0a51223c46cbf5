import {
  type CloseOptions,
  createServer,
  type HawserError,
  type Server,
  startWorkers,
  type ThisWorker,
  type WorkerEvent,
  type Workers,
} from '../index.ts';
import { watched } from './certificates.ts';
import { EXIT, type Output, UsageError } from './output.ts';
import { stopSignal } from './signals.ts';
import { naming, SERVE_OPTIONS } from './unasked.ts';

/** What a worker that listens says to the primary. */
interface Ready {
  readonly endpoints: readonly string[];
}

/** Beyond the time to drain, until a worker that is still there is killed, ms. */
const PATIENCE = 5000;

/** @throws UsageError */
export function workersOf(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (/^[1-9]\d{0,2}$/.test(text) && Number(text) <= 128) return Number(text);
  throw new UsageError(`--workers takes auto, or a number from 1 to 128, not ${text}`);
}

/**
 * The primary process: starts the workers, which do all that `hawser serve` does, and replaces who dies. SIGHUP replaces all of them, one after the
 * other. Resolves with the exit code.
 */
export async function superviseWorkers(
  workers: number | 'auto',
  urls: readonly string[],
  drain: number,
  output: Output,
): Promise<number> {
  const heard = new Heard(output);
  // Before anybody is told of anything: who hears that it listens may end it at once.
  let end = (): void => {};
  const stopping = stopSignal(() => end());
  const onEvent = (event: WorkerEvent): void => heard.take(event);
  const crew = await startWorkers({ workers, ready: 'told', stopWait: drain + PATIENCE, onEvent }).catch(
    (error: HawserError) => heard.failed(error),
  );
  if (typeof crew === 'number') return crew;
  end = () => crew.kill();
  process.on('SIGHUP', () => void restart(crew, output));
  const hall = await openHall(crew, urls);
  const endpoints = merged(urls, heard.endpoints, hall?.endpoints ?? []);
  const lines = endpoints.map((url) => `  ${url}`).join('\n');
  const count = crew.workers.length;
  output.tell({ event: 'listening', endpoints, workers: count }, `hawser listens with ${count} workers on\n${lines}`);
  const ended = await Promise.race([stopping, crew.closed]);
  if (typeof ended === 'string') output.tell({ event: 'closing', signal: ended }, `${ended}: closing`);
  await hall?.close();
  await crew.stop();
  if (typeof ended === 'object') throw ended;
  return EXIT.ended;
}

/** One worker: listens where all do, takes what the primary hands over, and goes when it is told to. */
export async function serveAsWorker(
  worker: ThisWorker,
  server: Pick<Server, 'listen' | 'receive' | 'close'>,
  urls: readonly string[],
  closing: CloseOptions,
  watchCertificates: boolean,
): Promise<never> {
  // A terminal, or who stops a group of processes, tells all of them.
  process.on('SIGHUP', () => {});
  const stopping = stopSignal();
  const takers = await Promise.all(urls.filter(isIpc).map((url) => server.receive(url)));
  worker.onSocket((socket, at) => takers[at]?.(socket));
  worker.onStop(() => server.close(closing));
  // One after the other: which of several ports 0 is which is told by their order.
  const endpoints: string[] = [];
  for (const url of urls.filter((one) => !isIpc(one))) {
    const plain = watchCertificates ? watched(url) : url;
    const target = isUdpack(url) ? { url, udpack: { workers: worker.channel } } : plain;
    endpoints.push(...(await server.listen(target).catch(naming(SERVE_OPTIONS))));
  }
  worker.ready({ endpoints } satisfies Ready);
  await stopping;
  worker.stop();
  return await new Promise<never>(() => {});
}

/** What the primary has heard of its workers. */
class Heard {
  endpoints: readonly string[] = [];
  readonly #output: Output;
  /** How the last one ended. */
  #code: number | null = null;

  constructor(output: Output) {
    this.#output = output;
  }

  take(happened: WorkerEvent): void {
    const { event, ...more } = happened;
    if (happened.event === 'ready') this.endpoints = (happened.data as Ready).endpoints;
    if (happened.event === 'died') this.#code = happened.code;
    if (happened.event === 'cut') this.#output.error(happened.error.message);
    else if (this.#output.json) this.#output.tell({ event: 'worker', state: event, ...more }, '');
    else if (happened.event === 'died') this.#output.remark(wordsOf(happened));
  }

  /** A worker that told what is wrong has said it all: its exit code is ours. */
  failed(error: HawserError): number {
    const known: readonly (number | null)[] = Object.values(EXIT);
    if (error.code === 'ERR_WORKER_ENDED' && this.#code !== EXIT.ended && known.includes(this.#code)) {
      return this.#code ?? EXIT.failure;
    }
    throw error;
  }
}

function wordsOf({ worker, pid, code, signal, restartIn }: WorkerEvent & { readonly event: 'died' }): string {
  const next = restartIn === null ? '' : '; another one starts';
  return `worker ${worker} (${pid}) ended: ${signal ?? `exit code ${code}`}${next}`;
}

async function restart(crew: Workers, output: Output): Promise<void> {
  output.tell({ event: 'restarting' }, 'SIGHUP: the workers are replaced');
  try {
    await crew.restart();
    output.tell({ event: 'restarted' }, 'the workers are replaced');
  } catch (error) {
    output.error(`the workers that are left stay: ${(error as Error).message}`);
    if (output.json) output.tell({ event: 'restart-failed', error: (error as Error).message }, '');
  }
}

/**
 * Unix sockets are opened here, since workers can't share one that is made as safely as `ipc:` makes it: each connection is handed to a worker
 * before a byte of it is read.
 */
async function openHall(crew: Workers, urls: readonly string[]): Promise<Server | undefined> {
  const paths = urls.filter(isIpc);
  if (paths.length === 0) return undefined;
  const hall = createServer();
  try {
    for (const [at, url] of paths.entries()) {
      await hall.listen({
        url,
        onSocket: (socket) => {
          if (!crew.handOver(socket, at)) socket.destroy();
          return true;
        },
      });
    }
    return hall;
  } catch (error) {
    await hall.close();
    await crew.stop();
    throw error;
  }
}

/** The real endpoints in the order of the URLs. */
function merged(urls: readonly string[], shared: readonly string[], handed: readonly string[]): readonly string[] {
  const rest = { shared: [...shared], handed: [...handed] };
  return urls.map((url) => (isIpc(url) ? rest.handed : rest.shared).shift() ?? url);
}

function isIpc(url: string): boolean {
  return /^ipc:/i.test(url);
}

function isUdpack(url: string): boolean {
  return /^udpack:/i.test(url);
}
