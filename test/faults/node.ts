/** One node, in a process of its own: a chat whose messages are numbered, told what to do by its parent. */
import { JoinedEngine } from '../../src/engine/index.ts';
import { RedisBus } from '../../src/engines/redis/index.ts';
import { createServer, type Engine, type ServerSocket } from '../../src/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
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

const options = JSON.parse(process.argv[2] ?? '') as NodeOptions;
const errors: Record<string, number> = {};

const engine = await engineOf(options.engine);
const server = createServer({
  ...(engine === undefined ? {} : { engine }),
  name: options.name,
  node: { name: options.name },
  nameOneself: true,
  presence: true,
  times: options.times,
  onError: (error, during) => {
    const { code = String(error) } = error as { readonly code?: string };
    const what = `${during}: ${code}`;
    errors[what] = (errors[what] ?? 0) + 1;
  },
});
for (const { pattern, size, age } of options.history) historyOf(server)?.(pattern, { size, age });

server.on('connection', (socket) => void welcome(socket));

async function welcome(socket: ServerSocket): Promise<void> {
  socket.handle('publish', (data) => publish(socket, data as PublishRequest));
  const rooms = (socket.handshake.query['rooms'] ?? '').split(',').filter((room) => room !== '');
  const joined: unknown[] = rooms.map((room) => socket.join(room));
  await Promise.all(joined);
  if (socket.state !== 'ended') socket.send('in', { node: options.name, id: socket.id });
}

async function publish(socket: ServerSocket, { room, number, id }: PublishRequest): Promise<PublishAnswer> {
  const data = { publisher: socket.user, number };
  const to = server.to(room) as unknown as {
    publish?(event: string, data: unknown, options: { id: string; timeout: number }): Promise<unknown>;
    send(event: string, data: unknown): void;
  };
  if (to.publish === undefined) {
    to.send('m', data);
    return {};
  }
  const { positions } = (await to.publish('m', data, { id, timeout: 5000 })) as {
    positions: { offset: number; epoch: string }[];
  };
  const [position] = positions;
  return position === undefined ? {} : { place: { offset: position.offset, epoch: position.epoch } };
}

const commands: { [C in Command]: (ask: Commands[C]['ask']) => Promise<Commands[C]['answer']> } = {
  nodes: async () => {
    const { nodes } = server as unknown as {
      nodes?(): Promise<readonly { readonly name: string; readonly isAlive: boolean }[]>;
    };
    if (nodes === undefined) return [options.name];
    const all = await nodes.call(server);
    return all.filter(({ isAlive }) => isAlive).map(({ name }) => name);
  },
  members: async ({ room }) => (await server.members(room, { most: 1000 })).members.map(({ id }) => id),
  clock: async ({ offset }) => {
    const moved = globalThis as unknown as Record<symbol, { offset: number } | undefined>;
    const state = moved[Symbol.for('faults.clock')];
    if (state === undefined) throw new Error('the clock can not be moved');
    state.offset = offset;
  },
  drain: async ({ wait }) => {
    setImmediate(() => void server.close({ drain: wait }).then(() => process.exit(0)));
  },
  errors: async () => errors,
};

process.on('message', (question: Question) => void answer(question));
// Without a parent there is nobody to work for.
process.on('disconnect', () => process.exit(0));

async function answer({ id, command, ask }: Question): Promise<void> {
  const run = commands[command] as (ask: unknown) => Promise<unknown>;
  const answered: Answer = await run(ask).then(
    (value) => ({ id, value }),
    (error: unknown) => ({ id, error: String(error) }),
  );
  process.send?.(answered);
}

async function engineOf(choice: EngineChoice): Promise<Engine | undefined> {
  const world = realWorld();
  if (choice.kind === 'memory') return undefined;
  if (choice.kind === 'redis') return new JoinedEngine(new RedisBus({ url: choice.url }, world), { world });
  throw new Error(`no engine ${choice.kind}`);
}

function historyOf(on: object): ((pattern: string, rule: { size: number; age: number }) => void) | undefined {
  const { history } = on as { history?(pattern: string, rule: { size: number; age: number }): void };
  return history?.bind(on);
}

const endpoints = await server.listen('tcp://127.0.0.1:0', 'ws://127.0.0.1:0');
process.send?.({ ready: true, pid: process.pid, endpoints });
