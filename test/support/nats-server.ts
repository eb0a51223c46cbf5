import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './certificates.ts';
import { Daemon, firstWords, type Program, withPorts } from './daemon.ts';
import { natsServer } from './programs.ts';

export interface NatsOptions {
  /** Default false. */
  readonly jetstream?: boolean;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: Pair;
  /** Bytes. Default the server's, 1 MiB. */
  readonly maxPayload?: number;
  /** More lines of its configuration file. */
  readonly config?: string;
}

/** A nats-server of the test's own, on a free loopback port. Resolves when it answers, and JetStream is ready. */
export async function startNats(options: NatsOptions = {}): Promise<Nats> {
  return withPorts(2, async ([port = 0, httpPort = 0]) => {
    const places = { name: 'nats', port, httpPort };
    return new Nats(await Daemon.start(programOf(options, places)), places);
  });
}

export class Nats implements AsyncDisposable {
  readonly daemon: Daemon;
  readonly port: number;
  /** Of its pages for monitors. */
  readonly httpPort: number;

  constructor(daemon: Daemon, { port, httpPort }: { readonly port: number; readonly httpPort: number }) {
    this.daemon = daemon;
    this.port = port;
    this.httpPort = httpPort;
  }

  /** `nats://127.0.0.1:…`, without credentials. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.daemon.log;
  }

  /** A page for monitors, such as `connz?subs=1`. */
  async monitor(page: string): Promise<Record<string, unknown>> {
    return (await fetch(`http://127.0.0.1:${this.httpPort}/${page}`)).json() as Promise<Record<string, unknown>>;
  }

  /** The names of its streams. */
  async streams(): Promise<string[]> {
    const { account_details = [] } = (await this.monitor('jsz?streams=1')) as Led;
    return account_details.flatMap(({ stream_detail = [] }) => stream_detail.map(({ name }) => name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}

/** Servers that are one cluster, with JetStream unless it is switched off. Resolves when they have a leader. */
export async function startNatsCluster(size = 3, options: NatsOptions = {}): Promise<NatsCluster> {
  return withPorts(3 * size, async (ports) => {
    const routes = ports.slice(2 * size);
    const programs = routes.map((routePort, at) => {
      const places = { name: `n${at + 1}`, port: ports[at] ?? 0, httpPort: ports[size + at] ?? 0 };
      return { places, program: programOf({ jetstream: true, ...options }, { ...places, routePort, routes }) };
    });
    // They are ready only together.
    const starts = await Promise.allSettled(programs.map(({ program }) => Daemon.start(program)));
    const nodes = starts.flatMap((start, at) => {
      const places = programs[at]?.places;
      return start.status === 'fulfilled' && places !== undefined ? [new Nats(start.value, places)] : [];
    });
    const cluster = new NatsCluster(nodes);
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed === undefined) return cluster;
    await cluster[Symbol.asyncDispose]();
    throw failed.reason;
  });
}

export class NatsCluster implements AsyncDisposable {
  readonly nodes: readonly Nats[];

  constructor(nodes: readonly Nats[]) {
    this.nodes = nodes;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** The server that leads JetStream, or the stream that `stream` names. Waits until there is one. */
  async leader(stream?: string): Promise<Nats> {
    for (;;) {
      const names = await Promise.all(this.nodes.map((node) => leaderSeenBy(node, stream).catch(() => undefined)));
      const leader = names.find((name) => name !== undefined);
      const at = this.nodes.findIndex((node, index) => leader === `n${index + 1}` && node.daemon.isRunning);
      const node = this.nodes[at];
      if (node !== undefined) return node;
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

interface Led {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly cluster?: { readonly leader?: string } }[];
  }[];
}

async function leaderSeenBy(node: Nats, stream: string | undefined): Promise<string | undefined> {
  if (!node.daemon.isRunning) return undefined;
  const led = (await node.monitor('jsz?streams=1')) as Led;
  if (stream === undefined) return led.meta_cluster?.leader;
  const streams = (led.account_details ?? []).flatMap((account) => account.stream_detail ?? []);
  return streams.find(({ name }) => name === stream)?.cluster?.leader;
}

interface Places {
  readonly name: string;
  readonly port: number;
  readonly httpPort: number;
  readonly routePort?: number;
  readonly routes?: readonly number[];
}

function programOf(options: NatsOptions, places: Places): Program {
  return {
    name: places.name,
    path: natsServer(),
    args: ({ folder, data }) => {
      const file = join(folder, 'nats.conf');
      writeFileSync(file, configOf(options, places, data));
      return ['--config', file];
    },
    answers: async () => {
      if (!(await firstWords(places.port, '')).startsWith('INFO ')) return false;
      return (await fetch(`http://127.0.0.1:${places.httpPort}/healthz`)).status === 200;
    },
  };
}

function configOf(options: NatsOptions, places: Places, data: string): string {
  const { jetstream = false, user, pass = '', token, tls, maxPayload, config } = options;
  const { name, port, httpPort, routePort, routes = [] } = places;
  const routeList = routes.map((route) => `nats://127.0.0.1:${route}`).join(', ');
  const secret = token === undefined ? `user: ${user}, password: ${JSON.stringify(pass)}` : `token: ${token}`;
  const parts = [
    `server_name: ${name}`,
    `listen: 127.0.0.1:${port}`,
    `http: 127.0.0.1:${httpPort}`,
    maxPayload === undefined ? '' : `max_payload: ${maxPayload}`,
    jetstream ? `jetstream { store_dir: ${JSON.stringify(data)}, max_mem: 256MB, max_file: 1GB }` : '',
    routePort === undefined ? '' : `cluster { name: test, listen: 127.0.0.1:${routePort}, routes: [${routeList}] }`,
    user === undefined && token === undefined ? '' : `authorization { ${secret} }`,
    tls === undefined
      ? ''
      : `tls { cert_file: ${JSON.stringify(tls.certFile)}, key_file: ${JSON.stringify(tls.keyFile)} }`,
    config ?? '',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}
