import type { Daemon } from '../support/daemon.ts';
import { type Nats, startNats, startNatsCluster } from '../support/nats-server.ts';
import { startRedis } from '../support/redis-server.ts';
import type { EngineChoice } from './control.ts';

/** What a run is played on: the engine, and how many servers it has. */
export const ENGINES = ['memory', 'cluster', 'nats', 'nats-3', 'redis'] as const;
export type EngineName = (typeof ENGINES)[number];

/** What one message between nodes may have, bytes: little, so that longer ones go in pieces. */
export const PAYLOAD = 65_536;

/** The servers of an engine, and how a node reaches them. */
export interface Backend extends AsyncDisposable {
  readonly daemons: readonly Daemon[];
  /** Of a server that each node reaches by a line of its own; none where nodes find the servers by themselves. */
  readonly port: number | undefined;
  /** What a node is given; `port` is that of its own line. */
  choiceFor(port: number): EngineChoice;
  /** The server that leads a log, where one does. */
  leader(): Promise<Daemon>;
}

/** `size`: how many nodes there are. */
export async function startBackend(engine: EngineName, size: number): Promise<Backend> {
  if (engine === 'nats') {
    const nats = await startNats({ jetstream: true, maxPayload: PAYLOAD });
    const url = (port: number): EngineChoice => ({ kind: 'nats', servers: [`nats://127.0.0.1:${port}`], replicas: 1 });
    return backendOf([nats], url, nats.port, async () => nats.daemon);
  }
  if (engine === 'nats-3') {
    const cluster = await startNatsCluster(3, { maxPayload: PAYLOAD });
    const leader = async (): Promise<Daemon> => (await cluster.leader(await streamOf(cluster.nodes))).daemon;
    return backendOf(cluster.nodes, () => ({ kind: 'nats', servers: cluster.urls, replicas: 3 }), undefined, leader);
  }
  if (engine === 'redis') {
    const redis = await startRedis();
    const url = (port: number): EngineChoice => ({
      kind: 'redis',
      url: `redis://127.0.0.1:${port}`,
      payloadBytes: PAYLOAD,
    });
    return backendOf([redis], url, redis.port, async () => redis.daemon);
  }
  const nobody = async (): Promise<Daemon> => {
    throw new Error(`${engine} has no server`);
  };
  const choice: EngineChoice = engine === 'cluster' ? { kind: engine, workers: size } : { kind: engine };
  return backendOf([], () => choice, undefined, nobody);
}

/** The name of a stream that is there, if any. */
async function streamOf(nodes: readonly Nats[]): Promise<string | undefined> {
  const pages = nodes.filter(({ daemon }) => daemon.isRunning).map((node) => node.monitor('jsz?streams=1'));
  const streams = (await Promise.all(pages)).flatMap((page) => {
    const { account_details: accounts = [] } = page as {
      account_details?: { stream_detail?: { name: string }[] }[];
    };
    return accounts.flatMap(({ stream_detail: details = [] }) => details.map(({ name }) => name));
  });
  return streams.toSorted()[0];
}

function backendOf(
  servers: readonly (AsyncDisposable & { readonly daemon: Daemon })[],
  choiceFor: Backend['choiceFor'],
  port: number | undefined,
  leader: Backend['leader'],
): Backend {
  return {
    daemons: servers.map(({ daemon }) => daemon),
    port,
    choiceFor,
    leader,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}
