import cluster from 'node:cluster';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { startWorkers, type Workers } from '../../src/engines/cluster/index.ts';
import {
  generateKeys,
  publicKeyText,
  readPublicKey,
  UDPack,
  type UdpackSession,
  type UdpackStats,
  type UdpackStream,
} from '../../src/udpack-endpoint/index.ts';
import { UdpRelay } from '../support/udp-relay.ts';
import { Served, socketFolder } from './served.ts';

const PROGRAM = fileURLToPath(new URL('../support/udpack-worker-program.ts', import.meta.url));
const KEYS = generateKeys();
const SESSIONS = 50;

/** Real workers on one UDP port. */
class Crew implements AsyncDisposable {
  readonly workers: Workers;
  readonly port: number;

  private constructor(workers: Workers, port: number) {
    this.workers = workers;
    this.port = port;
  }

  static async start(count: number): Promise<Crew> {
    let port = 0;
    const workers = await startWorkers({
      exec: PROGRAM,
      args: [KEYS.privateKey],
      execArgv: ['--import', 'tsx'],
      ready: 'told',
      workers: count,
      onEvent: (happened) => {
        if (happened.event === 'ready') ({ port } = happened.data as { port: number });
      },
    });
    return new Crew(workers, port);
  }

  /** What each of the workers has counted. */
  async stats(): Promise<UdpackStats[]> {
    const living = Object.values(cluster.workers ?? {}).filter((one) => one?.isConnected() === true);
    return await Promise.all(
      living.map(async (worker) => {
        if (worker === undefined) throw new Error('no worker');
        const told = new Promise<UdpackStats>((resolve) => {
          const hear = (message: { readonly stats?: UdpackStats }): void => {
            if (message.stats === undefined) return;
            worker.off('message', hear);
            resolve(message.stats);
          };
          worker.on('message', hear);
        });
        worker.send('stats');
        return await told;
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers.stop();
  }
}

/** A client with a socket of its own, which asks one numbered question after the other. */
class Caller implements AsyncDisposable {
  /** Which worker answered last. */
  owner = -1;
  answered = 0;
  readonly #udpack = new UDPack({ pubkey: KEYS.publicKey });
  readonly #port: number;
  session!: UdpackSession;
  #stream!: UdpackStream;

  constructor(port: number) {
    this.#port = port;
  }

  async dial(): Promise<this> {
    await this.#udpack.ready();
    this.session = await this.#udpack.connect({ port: this.#port });
    this.#stream = await this.session.openStream();
    return this;
  }

  /** @throws Error when the answer is another one's, or the session ends. */
  async ask(): Promise<void> {
    const number = this.answered;
    const answer = once(this.#stream, 'data') as Promise<[Buffer]>;
    this.#stream.send(String(number));
    const lost = this.session.closed.then(({ error }) => {
      throw error ?? new Error('closed');
    });
    const [bytes] = await Promise.race([answer, lost]);
    const [owner, echoed] = bytes.toString().split(' ').map(Number);
    if (echoed !== number) throw new Error(`${number} was asked, and ${echoed} answered`);
    this.answered++;
    this.owner = owner ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#udpack.abort();
  }
}

async function callers(port: number): Promise<Caller[]> {
  const all = await Promise.all(Array.from({ length: SESSIONS }, () => new Caller(port).dial()));
  await Promise.all(all.map((caller) => caller.ask()));
  return all;
}

async function stop(all: readonly Caller[]): Promise<void> {
  await Promise.all(all.map((caller) => caller[Symbol.asyncDispose]()));
}

const sum = (stats: readonly UdpackStats[], of: (one: UdpackStats) => number): number =>
  stats.reduce((total, one) => total + of(one), 0);

test('fifty sessions on two workers: each stays where it is, whoever reads its datagrams and wherever its client moves', async () => {
  await using crew = await Crew.start(2);
  await using relay = await UdpRelay.open({ address: '127.0.0.1', port: crew.port });
  const all = await callers(relay.port);
  const owners = all.map(({ owner }) => owner);
  const before = await crew.stats();
  expect(sum(before, ({ sessions }) => sessions)).toBe(SESSIONS);
  for (const { sessions } of before) expect(sessions).toBeGreaterThan(5);
  for (let round = 0; round < 12; round++) {
    if (round % 4 === 3) await relay.rebind();
    await Promise.all(all.map((caller) => caller.ask()));
  }
  expect(all.map(({ owner }) => owner)).toEqual(owners);
  expect(all.every(({ answered }) => answered === 13)).toBe(true);
  const after = await crew.stats();
  // Where two read from one socket, each reads many that are the other's.
  for (const { forwarded } of after) expect(forwarded).toBeGreaterThan(50);
  expect(sum(after, ({ forwardsDropped }) => forwardsDropped)).toBe(0);
  expect(sum(after, ({ sessions }) => sessions)).toBe(SESSIONS);
  expect(sum(after, ({ resetsSent }) => resetsSent)).toBe(0);
  await stop(all);
});

test('a worker that is killed: its clients hear it at once and come back, the others notice nothing', async () => {
  await using crew = await Crew.start(3);
  const all = await callers(crew.port);
  const victim = crew.workers.workers[1];
  const own = all.filter(({ owner }) => owner === victim?.worker);
  const others = all.filter(({ owner }) => owner !== victim?.worker);
  expect(own.length).toBeGreaterThan(0);
  process.kill(victim?.pid ?? 0, 'SIGKILL');
  await Promise.all([
    ...own.map(async (caller) => {
      // A question that is under way, or the next one, ends with the session: by a reset, and not since nothing was heard for long.
      const lost = (async () => {
        for (;;) await caller.ask();
      })();
      await expect(lost).rejects.toMatchObject({ code: 'ERR_SESSION_LOST' });
      await caller.dial();
      await caller.ask();
    }),
    ...others.map(async (caller) => {
      for (let count = 0; count < 10; count++) await caller.ask();
    }),
  ]);
  for (const caller of own) expect(caller.owner).not.toBe(victim?.worker);
  for (const { answered } of others) expect(answered).toBe(11);
  await stop(all);
});

test('workers are replaced one after the other: whoever dials meanwhile is let in', async () => {
  await using crew = await Crew.start(2);
  const round = { isOver: false };
  const restarted = crew.workers.restart().finally(() => (round.isOver = true));
  let dialled = 0;
  while (!round.isOver || dialled < 20) {
    await using caller = await new Caller(crew.port).dial();
    dialled++;
    // Who was let in by the one that is to go may be sent away.
    await caller.ask().catch(() => {});
  }
  await restarted;
  await using caller = await new Caller(crew.port).dial();
  await caller.ask();
  expect(crew.workers.workers.map(({ worker }) => worker)).toContain(caller.owner);
});

const APP = `
  export default (server) => {
    server.on('connection', (socket) => {
      socket.join('r');
      socket.handle('pid', () => process.pid);
      socket.on('say', (data) => server.to('r').send('say', data));
    });
  };
`;

interface Member {
  readonly socket: ClientSocket;
  readonly heard: unknown[];
  readonly pid: number;
}

async function member(url: string): Promise<Member> {
  const socket = await connect(url, { persistent: true });
  const heard: unknown[] = [];
  socket.on('say', (data) => heard.push(data));
  return { socket, heard, pid: (await socket.request('pid')) as number };
}

test('hawser serve --workers: a room over UDPack spans them, and clients of one that is killed come back', async () => {
  using folder = socketFolder();
  writeFileSync(join(folder.path, 'app.mjs'), APP);
  const key = join(folder.path, 'server.key');
  writeFileSync(key, KEYS.privateKey);
  const more = ['--workers', '2', join(folder.path, 'app.mjs')];
  await using served = await Served.start([`udpack://127.0.0.1:0?key=${key}`], more);
  const url = `${served.endpoints[0]}?key=${publicKeyText(readPublicKey(KEYS.publicKey))}`;
  const members: Member[] = [];
  // Which worker a session comes to is chance.
  while (members.length < 8 || new Set(members.map(({ pid }) => pid)).size < 2) members.push(await member(url));
  const all = Array.from({ length: 20 }, (_, number) => number);
  for (const number of all) members[number % 2]?.socket.send('say', number);
  for (const { heard } of members) {
    await expect.poll(() => heard.length, { timeout: 10_000 }).toBe(all.length);
    expect(heard.filter((data) => Number(data) % 2 === 0)).toEqual(all.filter((number) => number % 2 === 0));
    expect(heard.filter((data) => Number(data) % 2 === 1)).toEqual(all.filter((number) => number % 2 === 1));
  }
  const victim = members[0]?.pid ?? 0;
  const hit = members.filter(({ pid }) => pid === victim);
  const ups = hit.map(({ socket }) => once(socket as unknown as NodeJS.EventEmitter, 'up'));
  process.kill(victim, 'SIGKILL');
  // Whoever has nothing to say finds it out by its next sign of life.
  for (const { socket } of hit) socket.send('say', 'where are you?');
  await Promise.all(ups);
  const others = members.filter(({ pid }) => pid !== victim);
  others[0]?.socket.send('say', 'all here?');
  for (const { heard } of members) await expect.poll(() => heard.at(-1), { timeout: 10_000 }).toBe('all here?');
  for (const { socket } of members) expect(socket.state).toBe('up');
  await Promise.all(members.map(({ socket }) => socket.close()));
});
