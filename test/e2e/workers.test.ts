import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startWorkers, type WorkerEvent, type Workers, type WorkersOptions } from '../../src/engines/cluster/index.ts';

const PROGRAM = fileURLToPath(new URL('../support/worker-program.ts', import.meta.url));

/** Workers that do a task of test/support/worker-program.ts, and what became of them. */
class Crew implements AsyncDisposable {
  readonly events: WorkerEvent[] = [];
  workers!: Workers;
  #waiting: (() => void)[] = [];

  async start(task: object, more: Partial<WorkersOptions> = {}): Promise<this> {
    this.workers = await startWorkers({
      exec: PROGRAM,
      args: [JSON.stringify(task)],
      execArgv: ['--import', 'tsx'],
      ready: 'told',
      workers: 2,
      onEvent: (event) => {
        this.events.push(event);
        for (const resolve of this.#waiting.splice(0)) resolve();
      },
      ...more,
    });
    return this;
  }

  get kinds(): readonly string[] {
    return this.events.map(({ event }) => event);
  }

  get pids(): readonly number[] {
    return this.workers.workers.map(({ pid }) => pid);
  }

  get port(): number {
    const ready = this.events.find(({ event }) => event === 'ready') as { data: { port: number } };
    return ready.data.port;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  count(kind: WorkerEvent['event']): number {
    return this.kinds.filter((one) => one === kind).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers.stop();
  }
}

/** Which process answers. @throws when the connection is refused or reset. */
async function ask(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return Number(bytes.toString());
}

describe('startWorkers', () => {
  test('starts so many, which share a port, and ends them', async () => {
    const crew = await new Crew().start({});
    expect(crew.kinds).toEqual(['started', 'ready', 'started', 'ready']);
    expect(crew.workers.workers.map(({ state }) => state)).toEqual(['ready', 'ready']);
    const asked = [];
    for (let n = 0; n < 4; n++) asked.push(await ask(crew.port));
    expect(new Set(asked)).toEqual(new Set(crew.pids));
    await crew.workers.stop();
    expect(crew.kinds.slice(4)).toEqual(['stopped', 'stopped']);
    expect(crew.events.slice(4)).toMatchObject([{ code: 0 }, { code: 0 }]);
    expect(await crew.workers.closed).toBeUndefined();
    await expect(ask(crew.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('replaces one that is killed, by another of another number', async () => {
    await using crew = await new Crew().start({});
    const [victim] = crew.workers.workers;
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await crew.until(() => crew.count('ready') === 3);
    expect(crew.events[4]).toMatchObject({ event: 'died', pid: victim?.pid, signal: 'SIGKILL', restartIn: 100 });
    expect(crew.pids).toHaveLength(2);
    expect(new Set(crew.workers.workers.map(({ worker }) => worker)).has(victim?.worker ?? -1)).toBe(false);
    expect(crew.pids).toContain(await ask(crew.port));
  });

  test('gives up workers that keep dying, with longer and longer pauses', async () => {
    const crew = await new Crew().start({ dies: { code: 7, after: 20 } }, { workers: 1, quickDeaths: 3 });
    const error = await crew.workers.closed;
    expect(error).toMatchObject({ code: 'ERR_WORKER_ENDED', message: expect.stringContaining('exit code 7') });
    const died = crew.events.filter(({ event }) => event === 'died');
    expect(died).toMatchObject([100, 200, 400, null].map((restartIn) => ({ restartIn, code: 7 })));
    await crew.workers.stop();
  });

  test('says how the first one ended that never got ready, once', async () => {
    const crew = new Crew();
    const start = crew.start({ dies: { code: 3 } }, { workers: 5 });
    await expect(start).rejects.toMatchObject({
      code: 'ERR_WORKER_ENDED',
      message: expect.stringContaining('exit code 3'),
    });
    expect(crew.kinds).toEqual(['started', 'died']);
  });

  test('kills one that is not ready in time', async () => {
    const crew = new Crew();
    const start = crew.start({ tells: false }, { readyWait: 1000 });
    await expect(start).rejects.toMatchObject({
      code: 'ERR_WORKER_ENDED',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(crew.kinds).toEqual(['started', 'died']);
  });

  test('takes one that listens for ready where nobody tells', async () => {
    await using crew = await new Crew().start({ tells: false }, { ready: 'listening', workers: 1 });
    expect(crew.kinds).toEqual(['started', 'ready']);
  });

  test('who does not hear that it is to go gets SIGTERM, and at last is killed', async () => {
    const crew = await new Crew().start({ stops: false }, { workers: 1 });
    await crew.workers.stop();
    expect(crew.events.at(-1)).toMatchObject({ event: 'stopped', signal: 'SIGTERM' });
    const frozen = await new Crew().start({}, { workers: 1, stopWait: 100 });
    process.kill(frozen.pids[0] ?? 0, 'SIGSTOP');
    await frozen.workers.stop();
    expect(frozen.events.at(-1)).toMatchObject({ event: 'stopped', signal: 'SIGKILL' });
  });

  test.each([{ workers: 0 }, { workers: 1.5 }, { workers: 129 }, { workers: Number.NaN }, { stopWait: -1 }])(
    'refuses %o',
    async (options) => {
      await expect(startWorkers(options)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    },
  );
});

describe('a rolling restart', () => {
  test('replaces all without refusing a connection', async () => {
    await using crew = await new Crew().start({});
    const before = crew.pids;
    const { port } = crew;
    const failures: unknown[] = [];
    let asked = 0;
    const work = { isOver: false };
    const asking = Array.from({ length: 4 }, async () => {
      while (!work.isOver) {
        asked += 1;
        await ask(port).catch((error: unknown) => failures.push(error));
      }
    });
    await crew.workers.restart();
    work.isOver = true;
    await Promise.all(asking);
    expect(failures).toEqual([]);
    expect(asked).toBeGreaterThan(4);
    expect(crew.pids.filter((pid) => before.includes(pid))).toEqual([]);
    expect(crew.kinds.slice(4)).toEqual(['started', 'ready', 'stopped', 'started', 'ready', 'stopped']);
  });

  test('that is asked for while one is under way is one more after it', async () => {
    await using crew = await new Crew().start({}, { workers: 1 });
    await Promise.all([crew.workers.restart(), crew.workers.restart(), crew.workers.restart()]);
    expect(crew.count('stopped')).toBe(2);
  });

  test('leaves the old ones where the new one does not get ready', async () => {
    await using crew = await new Crew().start({}, { workers: 1 });
    const [pid] = crew.pids;
    process.env['WORKER_FAILS'] = '9';
    try {
      await expect(crew.workers.restart()).rejects.toMatchObject({ code: 'ERR_WORKER_ENDED' });
    } finally {
      delete process.env['WORKER_FAILS'];
    }
    expect(crew.pids).toEqual([pid]);
    expect(await ask(crew.port)).toBe(pid);
  });

  test('does not begin after the end', async () => {
    const crew = await new Crew().start({}, { workers: 1 });
    await crew.workers.stop();
    await expect(crew.workers.restart()).resolves.toBeUndefined();
    expect(crew.kinds).toEqual(['started', 'ready', 'stopped']);
  });
});

describe('between the primary and its workers', () => {
  test('a connection is handed over, to each in turn', async () => {
    await using crew = await new Crew().start({});
    const server = createServer({ pauseOnConnect: true }, (socket: Socket) => {
      if (!crew.workers.handOver(socket, 5)) socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const answers: string[] = [];
    for (let n = 0; n < 4; n++) {
      const [bytes] = (await once(connect(port, '127.0.0.1'), 'data')) as [Buffer];
      answers.push(bytes.toString());
    }
    expect(new Set(answers)).toEqual(new Set(crew.pids.map((pid) => `${pid} 5\n`)));
    server.close();
  });
});
