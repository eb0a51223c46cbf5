import { JoinedEngine } from '../../src/engine/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { createServer, type Server, type ServerOptions } from '../../src/server/index.ts';
import { type TestBus, TestHub, type TestHubOptions } from '../../src/testing/index.ts';
import { freshUrl } from './house.ts';

/** A server that is a node of a cluster in this process, on a TCP port of its own. */
export class JoinedServer implements AsyncDisposable {
  readonly server: Server;
  readonly bus: TestBus;
  readonly engine: JoinedEngine;
  readonly reported: unknown[] = [];
  url = '';

  constructor(hub: TestHub, options: ServerOptions) {
    this.bus = hub.bus();
    this.engine = new JoinedEngine(this.bus, { world: realWorld() });
    const { engine } = this;
    const onError = (error: unknown): unknown => this.reported.push(error);
    this.server = createServer({ times: { closeWait: 200 }, nameOneself: true, ...options, engine, onError });
    this.server.on('connection', (socket) => socket.handle('echo', (data) => data));
  }

  /** How many are in its namespace `/`. */
  get sockets(): number {
    return this.server.of('/').size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close({ drain: 0 });
  }
}

/** Nodes of one cluster. Resolves when each knows where the others listen. */
export async function joinedServers(
  count: number,
  options: ServerOptions = {},
  hubOptions: Partial<TestHubOptions> = {},
): Promise<JoinedServer[]> {
  const hub = new TestHub({ world: realWorld(), ...hubOptions });
  const nodes = Array.from({ length: count }, () => new JoinedServer(hub, options));
  for (const node of nodes) [node.url = ''] = await node.server.listen(freshUrl('tcp'));
  while (!(await allKnow(nodes))) await new Promise((resolve) => setTimeout(resolve, 10));
  return nodes;
}

async function allKnow(nodes: readonly JoinedServer[]): Promise<boolean> {
  const known = await Promise.all(nodes.map(({ server }) => server.nodes()));
  return known.every((list) => list.length === nodes.length && list.every(({ endpoints }) => endpoints.length > 0));
}
