import { clusterEngine, thisWorker } from '../../src/engines/cluster/index.ts';
import { natsEngine } from '../../src/engines/nats/index.ts';
import { redisEngine } from '../../src/engines/redis/index.ts';
import { createServer, type Engine, type Server, type ServerSocket } from '../../src/index.ts';
import type {
  Answer,
  Command,
  Commands,
  EngineChoice,
  NodeOptions,
  PublishAnswer,
  PublishRequest,
  Question,
} from './control.ts';

/** What a worker says when it is ready. */
export interface Listening {
  readonly life: string;
  readonly endpoints: readonly string[];
}

/** A chat whose messages are numbered. Resolves when it listens and has told so. */
export async function runNode(options: NodeOptions): Promise<void> {
  const worker = thisWorker();
  /** A worker's name tells it from the one before it. */
  const life = worker === undefined ? options.name : `worker${worker.number}.${process.pid}`;
  const errors: Record<string, number> = {};
  const engine = engineOf(options.engine);
  const server = createServer({
    ...(engine === undefined ? {} : { engine }),
    name: life,
    node: { name: life },
    nameOneself: true,
    presence: true,
    times: options.times,
    onError: (error, during) => {
      const { code = String(error) } = error as { readonly code?: string };
      const what = `${during}: ${code}`;
      errors[what] = (errors[what] ?? 0) + 1;
    },
  });
  for (const { pattern, size, age } of options.history) server.history(pattern, { size, age });
  server.on('connection', (socket) => void welcome(server, socket, life));
  const close = (wait: number): Promise<void> => server.close({ drain: wait });
  const commands = commandsOf(server, errors, close);
  process.on('message', (question: Question) => {
    if ('command' in question) void answer(commands, question);
  });
  worker?.onStop(() => close(1000));
  const endpoints = await server.listen('tcp://127.0.0.1:0', 'ws://127.0.0.1:0');
  const listening: Listening = { life, endpoints };
  if (worker === undefined) process.send?.({ ready: true, pid: process.pid, ...listening });
  else worker.ready(listening);
}

function engineOf(choice: EngineChoice): Engine | undefined {
  switch (choice.kind) {
    case 'memory':
      return undefined;
    case 'cluster':
      return clusterEngine();
    case 'redis':
      return redisEngine({ url: choice.url, payloadBytes: choice.payloadBytes });
    default:
      return natsEngine({ servers: choice.servers, history: { replicas: choice.replicas } });
  }
}

async function welcome(server: Server, socket: ServerSocket, life: string): Promise<void> {
  socket.handle('publish', (data) => publish(server, socket, data as PublishRequest));
  const rooms = (socket.handshake.query['rooms'] ?? '').split(',').filter((room) => room !== '');
  await Promise.all(rooms.map((room) => socket.join(room)));
  if (socket.state !== 'ended') socket.send('in', { node: life, id: socket.id });
}

async function publish(
  server: Server,
  socket: ServerSocket,
  { room, number, id, size }: PublishRequest,
): Promise<PublishAnswer> {
  const data = { publisher: socket.user, number, by: socket.id, pad: 'x'.repeat(size) };
  const { positions } = await server.to(room).publish('m', data, { id, timeout: 5000 });
  const [position] = positions;
  return position === undefined ? {} : { place: { offset: position.offset, epoch: position.epoch } };
}

type Run = { [C in Command]: (ask: Commands[C]['ask']) => Promise<Commands[C]['answer']> };

function commandsOf(server: Server, errors: Record<string, number>, close: (wait: number) => Promise<void>): Run {
  return {
    nodes: async () => (await server.nodes()).filter(({ isAlive }) => isAlive).map(({ name }) => name),
    members: async ({ room }) => (await server.members(room, { most: 1000 })).members.map(({ id }) => id),
    clock: async ({ offset }) => {
      const moved = globalThis as unknown as Record<symbol, { offset: number } | undefined>;
      const state = moved[Symbol.for('faults.clock')];
      if (state === undefined) throw new Error('the clock can not be moved');
      state.offset = offset;
    },
    drain: async ({ wait }) => {
      setImmediate(() => void close(wait).then(() => process.exit(0)));
    },
    errors: async () => errors,
    restart: async () => {
      throw new Error('a node has no workers');
    },
  };
}

async function answer(commands: Run, { id, command, ask }: Question): Promise<void> {
  const run = commands[command] as (ask: unknown) => Promise<unknown>;
  const answered: Answer = await run(ask).then(
    (value) => ({ id, value: value ?? null }),
    (error: unknown) => ({ id, error: String(error) }),
  );
  process.send?.(answered);
}
