import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineName } from './orders.ts';

const START_MS = 10_000;

/** The server of an engine, with nothing in it. */
export interface EngineServer {
  readonly url: string;
  readonly pid: number;
  end(): Promise<void>;
}

/** Undefined for engines that need none. */
export async function startServer(engine: EngineName, core: number): Promise<EngineServer | undefined> {
  if (engine !== 'nats' && engine !== 'redis') return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'hawser-bench-'));
  const port = await freePort();
  const command =
    engine === 'nats'
      ? ['nats-server', '-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', folder]
      : [
          'redis-server',
          '--port',
          `${port}`,
          '--bind',
          '127.0.0.1',
          '--dir',
          folder,
          '--save',
          '',
          '--appendonly',
          'no',
        ];
  const child = spawn('taskset', ['-c', `${core}`, ...command], { stdio: 'ignore' });
  await answers(port, child);
  const end = async (): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `${engine}://127.0.0.1:${port}`, pid: child.pid ?? 0, end };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  for (const until = Date.now() + START_MS; Date.now() < until; ) {
    if (child.exitCode !== null) throw new Error(`the engine's server ended (${child.exitCode})`);
    const socket = connect(port, '127.0.0.1');
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
    await sleep(50);
  }
  throw new Error("the engine's server doesn't answer");
}
