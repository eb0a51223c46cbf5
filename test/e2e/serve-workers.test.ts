import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { ROOT } from '../support/tree.ts';
import { Served, socketFolder, type ToldEvent } from './served.ts';

const MAIN = join(ROOT, 'dist/cli/main.js');
const WORKERS = ['--workers', '2'];
/** Of clients: they notice soon when nothing comes back. */
const TIMES = { heartbeat: 200, readWait: 800, loginWait: 1000 };

/** An application whose clients ask which process they are with, and whose links are found dead soon. */
const APP = `
  export const options = { presence: true, nameOneself: true, times: { heartbeat: 200, readWait: 800, resumeWindow: 1000 } };
  export default (server) => {
    server.on('connection', (socket) => {
      socket.join('r');
      socket.handle('pid', () => process.pid);
      socket.handle('members', async () => (await server.members('r')).members.map(({ user }) => user).sort());
      socket.on('say', (data) => server.to('r').send('say', data));
    });
  };
`;

function appIn(folder: string, text: string = APP): string {
  const path = join(folder, 'app.mjs');
  writeFileSync(path, text);
  return path;
}

function isState(state: string): (event: ToldEvent) => boolean {
  return (event) => event['state'] === state;
}

/** A client that knows which worker it is with, and numbers what it says. */
class Member implements AsyncDisposable {
  readonly socket: ClientSocket;
  readonly heard: string[] = [];
  pid = 0;
  /** How often it was let in. */
  ups = 0;
  #said = 0;

  private constructor(socket: ClientSocket) {
    this.socket = socket;
    socket.on('say', (text) => this.heard.push(text as string));
    socket.on('up', () => void this.#ask());
  }

  static async come(url: string, user: string): Promise<Member> {
    const member = new Member(await connect(url, { user, persistent: true, times: TIMES }));
    await member.#ask();
    return member;
  }

  say(): void {
    this.#said += 1;
    this.socket.send('say', `${this.socket.user} ${this.#said}`);
  }

  async #ask(): Promise<void> {
    this.pid = (await this.socket.request('pid')) as number;
    this.ups += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket.close();
  }
}

/** What ends with a test, the latest first. */
class Stack implements AsyncDisposable {
  readonly #ends: (() => Promise<unknown>)[] = [];

  use<T extends AsyncDisposable>(one: T): T {
    this.#ends.push(async () => await one[Symbol.asyncDispose]());
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }
}

/** What one user said, as numbers, in the order that it was heard. */
function of(heard: readonly string[], user: string): readonly number[] {
  return heard.filter((text) => text.startsWith(`${user} `)).map((text) => Number(text.split(' ')[1]));
}

function expectOrdered(numbers: readonly number[]): void {
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
}

/** So many members that each of two workers has some. */
async function crowd(url: string, stack: Stack, size = 6): Promise<readonly Member[]> {
  const members = [];
  for (let n = 0; n < size; n++) members.push(stack.use(await Member.come(url, `m${n}`)));
  expect(new Set(members.map(({ pid }) => pid)).size).toBe(2);
  return members;
}

describe('hawser serve --workers', () => {
  test('one room spans the workers, over all endpoints; the page is there; SIGTERM ends all', async () => {
    using folder = socketFolder();
    const listen = ['ws://127.0.0.1:0', 'tcp://127.0.0.1:0', `ipc://${folder.path}/h.sock`];
    await using served = await Served.start(listen, WORKERS);
    const ready = served.events.filter(isState('ready'));
    expect(ready.map(({ data }) => data)).toEqual(ready.map(() => ({ endpoints: served.endpoints.slice(0, 2) })));
    expect(served.events.at(-1)).toMatchObject({ event: 'listening', workers: 2 });
    await using stack = new Stack();
    const clients: { readonly socket: ClientSocket; readonly heard: number[] }[] = [];
    for (const url of [...served.endpoints, ...served.endpoints]) {
      const socket = stack.use(await connect(url, { user: `u${clients.length}` }));
      const heard: number[] = [];
      socket.on('say', (data) => heard.push(data as number));
      await socket.request('join', { room: 'r' });
      clients.push({ socket, heard });
    }
    // Each worker knows of all.
    for (const { socket } of clients) {
      await expect.poll(async () => socket.request('presence', { room: 'r' })).toMatchObject({ total: 6 });
    }
    for (const [n, { socket }] of clients.entries()) {
      const published = await socket.request('publish', { room: 'r', event: 'say', data: n });
      expect(published).toEqual({ members: 5 });
    }
    for (const [n, { heard }] of clients.entries()) {
      const others = clients.map((_, other) => other).filter((other) => other !== n);
      await expect.poll(() => heard.toSorted((a, b) => a - b)).toEqual(others);
    }
    const page = await fetch(served.endpoint('ws').href.replace(/^ws/, 'http'));
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')]);
    served.signal('SIGTERM');
    expect(await served.ended()).toBe(0);
    expect(served.events.filter(isState('stopped'))).toMatchObject([{ code: 0 }, { code: 0 }]);
    expect(served.errors).toEqual([]);
  });

  test('a worker that is killed is replaced; its clients come back, the others notice nothing', async () => {
    using folder = socketFolder();
    await using served = await Served.start(['ws://127.0.0.1:0'], [...WORKERS, appIn(folder.path)]);
    await using stack = new Stack();
    const members = await crowd(served.endpoints[0] ?? '', stack);
    const [victim] = members;
    const hit = members.filter(({ pid }) => pid === victim?.pid);
    const spared = members.filter(({ pid }) => pid !== victim?.pid);
    for (const member of members) member.say();
    for (const { heard } of members) await expect.poll(() => heard.length).toBe(members.length);
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    for (let n = 0; n < 20; n++) for (const member of spared) member.say();
    await served.until(isState('died'));
    for (const { ups } of spared) expect(ups).toBe(1);
    for (const member of hit) await expect.poll(() => member.ups, { timeout: 10_000 }).toBe(2);
    for (const member of members) member.say();
    for (const { heard } of spared) {
      for (const other of spared) {
        const all = Array.from({ length: 22 }, (_, n) => n + 1);
        await expect.poll(() => of(heard, other.socket.user ?? '')).toEqual(all);
      }
    }
    for (const { heard } of members) for (const other of members) expectOrdered(of(heard, other.socket.user ?? ''));
    const names = members.map(({ socket }) => socket.user);
    await expect.poll(() => spared[0]?.socket.request('members'), { timeout: 5000 }).toEqual(names);
    const died = served.events.find(isState('died'));
    expect(died).toMatchObject({ pid: expect.any(Number), signal: 'SIGKILL' });
    await served.until((event) => event['state'] === 'ready', served.events.indexOf(died as ToldEvent));
  });

  test('clients of a worker that hangs find it out by heartbeat and go to another; it goes on later as if nothing was', async () => {
    using folder = socketFolder();
    await using served = await Served.start(['ws://127.0.0.1:0'], [...WORKERS, appIn(folder.path)]);
    await using stack = new Stack();
    const members = await crowd(served.endpoints[0] ?? '', stack);
    const frozen = members[0]?.pid ?? 0;
    const hit = members.filter(({ pid }) => pid === frozen);
    const spared = members.filter(({ pid }) => pid !== frozen);
    process.kill(frozen, 'SIGSTOP');
    try {
      for (let n = 0; n < 20; n++) {
        for (const member of spared) member.say();
        await pause(10);
      }
      for (const { heard } of spared) await expect.poll(() => heard.length).toBe(20 * spared.length);
      for (const member of hit) await expect.poll(() => member.ups, { timeout: 30_000 }).toBe(2);
      expect(new Set(hit.map(({ pid }) => pid))).toEqual(new Set(spared.map(({ pid }) => pid)));
    } finally {
      process.kill(frozen, 'SIGCONT');
    }
    const names = members.map(({ socket }) => socket.user);
    await expect.poll(() => spared[0]?.socket.request('members'), { timeout: 15_000 }).toEqual(names);
    // Who comes now is let in by it, too, and is one with the others.
    const late: Member[] = [];
    while (!late.some(({ pid }) => pid === frozen))
      late.push(stack.use(await Member.come(served.endpoints[0] ?? '', `l${late.length}`)));
    late.at(-1)?.say();
    for (const { heard } of spared) await expect.poll(() => heard.at(-1)).toBe(`l${late.length - 1} 1`);
    for (const { ups } of spared) expect(ups).toBe(1);
    expect(served.events.some(isState('died'))).toBe(false);
  });

  test('SIGHUP replaces all workers under traffic: no connection is refused, no message comes twice or out of order', async () => {
    using folder = socketFolder();
    const listen = ['ws://127.0.0.1:0', `ipc://${folder.path}/h.sock`];
    await using served = await Served.start(listen, [...WORKERS, appIn(folder.path)]);
    await using stack = new Stack();
    const members = await crowd(served.endpoints[0] ?? '', stack);
    const before = new Set(members.map(({ pid }) => pid));
    const work = { isOver: false };
    const refused: unknown[] = [];
    const visits = served.endpoints.map(async (url, at) => {
      let count = 0;
      for (; !work.isOver; count++) {
        const visit = await connect(url, { user: `v${at}` }).catch((error: unknown) => refused.push(error));
        if (typeof visit === 'object') await visit.close();
      }
      return count;
    });
    const talk = (async () => {
      while (!work.isOver) {
        for (const member of members) if (member.socket.state === 'up') member.say();
        await pause(5);
      }
    })();
    served.signal('SIGHUP');
    await served.until(({ event }) => event === 'restarted');
    work.isOver = true;
    await talk;
    expect(Math.min(...(await Promise.all(visits)))).toBeGreaterThan(0);
    expect(refused).toEqual([]);
    for (const member of members) await expect.poll(() => before.has(member.pid), { timeout: 10_000 }).toBe(false);
    for (const { heard } of members) for (const other of members) expectOrdered(of(heard, other.socket.user ?? ''));
    expect(served.events.some(isState('died'))).toBe(false);
    const kinds = served.events.map(({ event, state }) => state ?? event);
    expect(kinds.slice(kinds.indexOf('restarting'))).toEqual([
      'restarting',
      ...['started', 'ready', 'stopped'],
      ...['started', 'ready', 'stopped'],
      'restarted',
    ]);
  });

  test('a second signal ends a drain that takes too long', async () => {
    await using served = await Served.start(['tcp://127.0.0.1:0'], WORKERS);
    const [first] = served.events.filter(isState('ready'));
    process.kill(first?.['pid'] as number, 'SIGSTOP');
    served.signal('SIGTERM');
    await served.until(({ event }) => event === 'closing');
    served.signal('SIGTERM');
    expect(await served.ended()).toBe(1);
    await expect.poll(() => isAlive(first?.['pid'] as number)).toBe(false);
  });

  test('workers that die as soon as they have started end it, with the reason and exit code 1', async () => {
    using folder = socketFolder();
    // The death is what is tried: after it listens, and before it counts as steady.
    const app = appIn(
      folder.path,
      `export default (server) => {
        const look = setInterval(() => {
          if (server.endpoints.length === 0) return;
          clearInterval(look);
          setTimeout(() => process.exit(7), 300);
        }, 10);
      };`,
    );
    await using served = await Served.start(['tcp://127.0.0.1:0'], [...WORKERS, app]);
    expect(await served.ended()).toBe(1);
    expect(served.errors.at(-1)).toMatch(/^hawser: ERR_WORKER_ENDED: .*exit code 7/);
    const died = served.events.filter(isState('died'));
    expect(died.at(-1)).toMatchObject({ restartIn: null });
    expect(died.length).toBeGreaterThan(5);
  });
});

/** One that has ended and that nobody has asked about yet is not alive. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}

const HISTORY_APP = `
  export const options = { nameOneself: true, times: { heartbeat: 200, readWait: 800 } };
  export default (server) => {
    server.history('h', { size: 100_000, age: 600_000 });
    server.on('connection', (socket) => {
      void socket.join('h');
      socket.handle('pid', () => process.pid);
      socket.handle('add', ({ text, id }) => server.to('h').publish('entry', text, { id }));
    });
  };
`;

/** Adds to the history what it can't say twice, until it is told to stop. */
async function addAll(socket: ClientSocket, work: { isOver: boolean }): Promise<number> {
  let said = 0;
  while (!work.isOver) {
    const text = `${socket.user} ${said + 1}`;
    const added = await socket.request('add', { text, id: text }, { timeout: 2000 }).catch(() => undefined);
    if (added === undefined) await pause(20);
    else said += 1;
  }
  return said;
}

test('in a room with history nothing is lost, doubled or out of order, whatever becomes of the workers', async () => {
  using folder = socketFolder();
  const app = appIn(folder.path, HISTORY_APP);
  await using served = await Served.start(['ws://127.0.0.1:0', 'tcp://127.0.0.1:0'], [...WORKERS, app]);
  await using stack = new Stack();
  const heard: string[][] = [];
  const gaps: unknown[] = [];
  for (let n = 0; n < 6; n++) {
    const url = served.endpoints[n % 2] ?? '';
    const member = stack.use(await Member.come(url, `m${n}`));
    const entries: string[] = [];
    member.socket.on('entry', (text) => entries.push(text as string));
    member.socket.on('gap', (gap) => gaps.push(gap));
    heard.push(entries);
  }
  const speakers = [stack.use(await Member.come(served.endpoints[0] ?? '', 's0'))];
  speakers.push(stack.use(await Member.come(served.endpoints[1] ?? '', 's1')));
  const work = { isOver: false };
  const talk = speakers.map(({ socket }) => addAll(socket, work));
  await expect.poll(() => heard[0]?.length).toBeGreaterThan(20);
  for (const { pid } of speakers) {
    const from = served.events.length;
    process.kill(pid, 'SIGKILL');
    await served.until(isState('ready'), from);
    const before = heard[0]?.length ?? 0;
    await expect.poll(() => heard[0]?.length, { timeout: 20_000 }).toBeGreaterThan(before + 20);
  }
  served.signal('SIGHUP');
  await served.until(({ event }) => event === 'restarted');
  work.isOver = true;
  const said = await Promise.all(talk);
  const total = said.reduce((sum, one) => sum + one, 0);
  for (const entries of heard) await expect.poll(() => entries.length, { timeout: 20_000 }).toBe(total);
  for (const entries of heard) expect(entries).toEqual(heard[0]);
  for (const [n, count] of said.entries()) {
    expect(of(heard[0] ?? [], `s${n}`)).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  }
  expect(gaps).toEqual([]);
});

test('while the primary hangs each worker serves its own; then all is as it was', async () => {
  using folder = socketFolder();
  const app = appIn(
    folder.path,
    HISTORY_APP.replace(
      'void socket.join',
      "socket.join('r');\n      socket.on('say', (data) => server.to('r').send('say', data));\n      void socket.join",
    ),
  );
  await using served = await Served.start(['ws://127.0.0.1:0'], [...WORKERS, app]);
  await using stack = new Stack();
  const members = await crowd(served.endpoints[0] ?? '', stack);
  const [first] = members;
  const near = members.filter(({ pid }) => pid === first?.pid);
  const far = members.filter(({ pid }) => pid !== first?.pid);
  const refused: unknown[] = [];
  served.signal('SIGSTOP');
  try {
    first?.say();
    for (const { heard } of near) await expect.poll(() => heard).toEqual(['m0 1']);
    for (const { heard } of far) expect(heard).toEqual([]);
    const adding = first?.socket.request('add', { text: 't', id: 'once' }, { timeout: 20_000 });
    await adding?.catch((error: unknown) => refused.push(error));
    expect(refused).toMatchObject([{ code: 'ERR_ENGINE_DOWN' }]);
  } finally {
    served.signal('SIGCONT');
  }
  for (const { heard } of far) await expect.poll(() => heard).toEqual(['m0 1']);
  // It was added after all, and is not added twice.
  const again = await first?.socket.request('add', { text: 't', id: 'once' });
  expect(again).toMatchObject({ isDuplicate: true, positions: [{ offset: 1 }] });
  for (const { ups } of members) expect(ups).toBe(1);
});

describe('what is wrong is said by one worker, with its exit code', () => {
  test.each([
    ['a scheme that there is not', ['--workers', '4', '--listen', 'foo://127.0.0.1'], 2, 'ERR_URL'],
    ['an app that there is not', ['--workers', '4', '/nowhere.mjs'], 2, 'ERR_OPTION'],
    ['anybody from anywhere', ['--workers', '4', '--listen', 'tcp://0.0.0.0:0'], 1, 'ERR_NOT_ALLOWED'],
    ['no number of workers', ['--workers', '0'], 2, '--workers'],
    ['no number at all', ['--workers', 'many'], 2, '--workers'],
  ])('%s', (_, args, code, word) => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'serve', ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(stderr.split('\n').filter((line) => line.includes(word))).toHaveLength(1);
    expect(status).toBe(code);
  });
});
