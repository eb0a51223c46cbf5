import { chmodSync, mkdirSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  clusterEngine,
  createServer,
  type Engine,
  HawserError,
  type HistoryOptions,
  type Server,
  type ServerOptions,
  serveFiles,
  thisWorker,
} from '../index.ts';
import type { Announcement } from '../lan-endpoint/index.ts';
import { HttpFace, readKeys } from './api.ts';
import { reloadOnHangup, watched } from './certificates.ts';
import { engineOf } from './engine.ts';
import { refuseExposed } from './exposed.ts';
import { announceServer } from './lan.ts';
import { EXIT, type Output, UsageError } from './output.ts';
import { servePage } from './page.ts';
import { createRelay } from './relay.ts';
import { serveAsWorker, superviseWorkers } from './serve-workers.ts';
import { stopSignal } from './signals.ts';
import { byKeySet, bySecret, readSecret } from './tokens.ts';
import { naming, SERVE_OPTIONS } from './unasked.ts';

export interface ServeOptions {
  /** A module with the application; without it the relay is served. */
  readonly app: string | undefined;
  readonly listen: readonly string[];
  /** A folder whose files are served; what isn't there is answered as without it. */
  readonly static: string | undefined;
  readonly origins: readonly string[];
  readonly insecure: boolean;
  readonly trustProxy: readonly string[];
  readonly secret: string | undefined;
  readonly jwks: string | undefined;
  /** How much of their messages the relay's rooms keep; undefined: nothing. */
  readonly history: HistoryOptions | undefined;
  /** Certificates are read anew when their files change. */
  readonly watchCertificates: boolean;
  /** Undefined: this process serves. */
  readonly workers: number | 'auto' | undefined;
  /** A file with the keys of `POST /api/publish`. */
  readonly apiKeyFile: string | undefined;
  /** The URL of what joins nodes. */
  readonly engine: string | undefined;
  /** Tells the clusters on one engine's server apart. */
  readonly cluster: string | undefined;
  readonly nodeName: string | undefined;
  /** Where clients reach this node, if not where it listens. */
  readonly nodeEndpoints: readonly string[] | undefined;
  /** ms for what is under way when it closes. */
  readonly drain: number | undefined;
  /** ms in which a node that goes is not ready, and lets clients in nevertheless. */
  readonly drainDelay: number | undefined;
  /** The name by which clients find it on the local network; undefined: it is not announced. */
  readonly announce: string | undefined;
  /** Where it is announced. */
  readonly group: string | undefined;
  /** The file of the key that signs the announcement. */
  readonly keyFile: string | undefined;
}

/** ms that a closing server gives to what is under way, unless it is said. */
const DRAIN = 5000;

/** Serves until SIGINT or SIGTERM. Resolves with the exit code. */
export async function serve(options: ServeOptions, output: Output): Promise<number> {
  const urls = options.listen.length > 0 ? options.listen : defaultEndpoints();
  const worker = thisWorker();
  checkAnnounce(options);
  refuseExposed(options, urls);
  const closing = { drain: options.drain ?? DRAIN, delay: options.drainDelay ?? 0 };
  if (options.workers !== undefined && worker === undefined) {
    return await superviseWorkers(options.workers, urls, closing.drain + closing.delay, output);
  }
  const server = await makeServer(options, output);
  if (worker !== undefined) return await serveAsWorker(worker, server, urls, closing, options.watchCertificates);
  // Before anybody is told: who hears that it listens may end it at once.
  const stopping = stopSignal();
  reloadOnHangup(server, urls, output);
  const announcement = await begin(server, urls, options, output).catch(async (error: unknown) => {
    // What has begun would keep the process, and nobody would stop it.
    await server.close({ drain: 0 });
    throw error;
  });
  const signal = await stopping;
  output.tell({ event: 'closing', signal }, `${signal}: closing`);
  // Who looks for a server must not find this one any more.
  await announcement?.close();
  await server.close(closing);
  return EXIT.ended;
}

/** Listens, and says so. @throws HawserError; what has begun then goes on. */
async function begin(
  server: Pick<Server, 'listen' | 'endpoints' | 'stats'>,
  urls: readonly string[],
  options: ServeOptions,
  output: Output,
): Promise<Announcement | undefined> {
  const targets = urls.map((url) => (options.watchCertificates ? watched(url) : url));
  const endpoints = await server.listen(...targets).catch(naming(SERVE_OPTIONS));
  output.tell({ event: 'listening', endpoints }, `hawser listens on\n${endpoints.map((url) => `  ${url}`).join('\n')}`);
  const page = endpoints.find((url) => /^(?:wss?|https?):/.test(url));
  if (page !== undefined && options.app === undefined) output.remark(`the page: ${page.replace(/^ws/, 'http')}`);
  return await announcing(server, options, output);
}

function checkAnnounce({ announce, group, keyFile, workers }: ServeOptions): void {
  if (announce === undefined && (group ?? keyFile) !== undefined) {
    throw new UsageError('--group and --key-file go with --announce');
  }
  if (announce !== undefined && workers !== undefined) throw new UsageError('--announce does not go with --workers');
}

async function announcing(
  server: Pick<Server, 'endpoints' | 'stats'>,
  { announce: name, group, ...trust }: ServeOptions,
  output: Output,
): Promise<Announcement | undefined> {
  if (name === undefined) return undefined;
  const announcement = await announceServer(server, name, group, trust);
  output.tell({ event: 'announced', name, endpoints: announcement.endpoints }, `announced as ${name}`);
  return announcement;
}

async function makeServer(
  options: ServeOptions,
  output: Output,
): Promise<Pick<Server, 'listen' | 'receive' | 'reloadCertificates' | 'close' | 'endpoints' | 'stats'>> {
  const { origins, insecure, trustProxy, nodeName, nodeEndpoints } = options;
  const authenticate = await authentication(options);
  const engine = await engineFor(options);
  const common: ServerOptions = {
    origins,
    insecure,
    trustProxy,
    onError: (error, during) => tellFault(error, during, output),
    ...(engine === undefined ? {} : { engine }),
    ...(authenticate === undefined ? {} : { authenticate }),
    node: { ...(nodeName && { name: nodeName }), ...(nodeEndpoints && { endpoints: nodeEndpoints }) },
  };
  const keys = await readKeys(options.apiKeyFile);
  const page = servePage(fileURLToPath(new URL('../console', import.meta.url)));
  if (options.app !== undefined) {
    if (options.history !== undefined) throw new UsageError('--history is for the relay: an app says server.history');
    return serveApp(options.app, common, keys, (own) => withFiles(options.static, own ?? page));
  }
  const face = new HttpFace(keys, withFiles(options.static, page));
  const relay = createRelay({ ...common, onRequest: face.onRequest }, options.history);
  face.serve(relay);
  return relay;
}

/** What goes wrong around the server is a line; of an application's own mistakes all is shown. */
function tellFault(error: unknown, during: string, output: Output): void {
  if (error instanceof HawserError) {
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    output.error(`${during} failed: ${error.code}: ${error.message}${why}`);
  } else console.error(`hawser: ${during} failed:`, error);
}

function withFiles(folder: string | undefined, fallthrough: RequestListener): RequestListener {
  return folder === undefined ? fallthrough : serveFiles(folder, { fallthrough });
}

/**
 * What is named, in workers too; otherwise they are joined by their primary. Named by the option, or by HAWSER_ENGINE: an option can be seen in the list
 * of processes, and a URL may hold a password.
 */
async function engineFor({
  engine = process.env['HAWSER_ENGINE'],
  cluster,
}: ServeOptions): Promise<Engine | undefined> {
  if (engine !== undefined) return engineOf(engine, cluster);
  if (cluster !== undefined) throw new UsageError('--cluster goes with --engine');
  return thisWorker() === undefined ? undefined : clusterEngine();
}

async function authentication({ secret, jwks }: ServeOptions): Promise<ServerOptions['authenticate']> {
  if (secret !== undefined && jwks !== undefined) throw new UsageError('give --secret or --jwks, not both');
  if (secret !== undefined) return bySecret(await readSecret(secret));
  return jwks === undefined ? undefined : byKeySet(jwks);
}

/** What an application's module exports. */
interface AppModule {
  /** Gets the server before it listens. */
  readonly default?: (server: Server) => unknown;
  /** Goes before what the command line says. */
  readonly options?: ServerOptions;
}

async function serveApp(
  path: string,
  common: ServerOptions,
  keys: readonly string[],
  otherwise: (own: RequestListener | undefined) => RequestListener,
): Promise<Server> {
  let app: AppModule;
  try {
    app = (await import(pathToFileURL(resolve(path)).href)) as AppModule;
  } catch (cause) {
    const hint = path.endsWith('.ts') ? ' (this Node may not run TypeScript: build it, or use tsx)' : '';
    throw new HawserError('ERR_OPTION', `the app ${path} can't be loaded${hint}: ${String(cause)}`, { cause });
  }
  if (typeof app.default !== 'function') throw new UsageError(`${path} must export default a function of the server`);
  const face = new HttpFace(keys, otherwise(app.options?.onRequest));
  const server = createServer({ ...common, ...app.options, onRequest: face.onRequest });
  face.serve(server);
  await app.default(server);
  return server;
}

/** The page and WebSocket, TCP, and a Unix socket that only this user can open. */
function defaultEndpoints(): readonly string[] {
  const port = process.env['PORT'] ?? '3000';
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new UsageError(`PORT is no port: ${port}`);
  const folder = join(tmpdir(), `hawser-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return [`ws://127.0.0.1:${port}`, 'tcp://127.0.0.1:3001', `ipc://${join(folder, 'hawser.sock')}`];
}
