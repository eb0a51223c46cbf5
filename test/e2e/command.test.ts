import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endAll } from '../support/children.ts';
import { python } from '../support/programs.ts';
import { ROOT } from '../support/tree.ts';
import { Served } from './served.ts';

const MAIN = join(ROOT, 'dist/cli/main.js');
const children: ChildProcess[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
});

afterEach(async () => {
  await endAll(children);
  rmSync(folder, { recursive: true, force: true });
});

/** A program whose lines can be waited for. */
class Program {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  /** Its end, when all that it said has been read. */
  readonly #gone: Promise<unknown>;
  readonly #reader: Interface;
  #isGone = false;

  constructor(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(command, args, { stdio: 'pipe', env: { ...process.env, ...environment } });
    children.push(this.child);
    this.#gone = once(this.child, 'close').then(() => (this.#isGone = true));
    this.#reader = createInterface(this.child.stdout as NodeJS.ReadableStream);
    this.#reader.on('line', (line) => this.lines.push(line));
    createInterface(this.child.stderr as NodeJS.ReadableStream).on('line', (line) => this.errors.push(line));
  }

  static hawser(...args: readonly string[]): Program {
    return new Program(process.execPath, [MAIN, ...args]);
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  end(): void {
    this.child.stdin?.end();
  }

  /** The first line, from now or before, that has this text in it. */
  async line(text: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.includes(text));
      if (found !== undefined) return found;
      if (this.#isGone) throw new Error(`ended without '${text}': ${this.errors.join('\n')}`);
      await Promise.race([once(this.#reader, 'line'), this.#gone]);
    }
  }

  async exitCode(): Promise<number | null> {
    await this.#gone;
    return this.child.exitCode;
  }
}

const EVERYWHERE = (): string[] => ['ws://127.0.0.1:0', 'tcp://127.0.0.1:0', `ipc://${join(folder, 'h.sock')}`];

const PYTHON_PEER = `
import asyncio, json, sys, websockets
async def main(url):
    async with websockets.connect(url) as ws:
        async def ask(event, id, data):
            await ws.send(json.dumps({'event': event, 'id': id, 'data': data}))
        await ws.send(json.dumps({'event': 'hello', 'user': 'py'}))
        await ask('join', 1, {'room': 'lobby'})
        async for text in ws:
            print(text, flush=True)
            message = json.loads(text)
            if message.get('event') == 'say':
                await ask('publish', 2, {'room': 'lobby', 'event': 'say', 'data': {'text': 'python heard ' + message['data']['text']}})
asyncio.run(main(sys.argv[1]))
`;

test('Python, a chat over TCP and a chat over a Unix socket see one another in one room', async () => {
  await using served = await Served.start(EVERYWHERE());
  const script = join(folder, 'peer.py');
  writeFileSync(script, PYTHON_PEER);
  const peer = new Program(python(), [script, served.endpoint('ws').href]);
  expect(JSON.parse(await peer.line('"welcome"'))).toMatchObject({ event: 'welcome', data: { user: 'py' } });
  const joined = JSON.parse(await peer.line('"join"'));
  expect(joined).toMatchObject({ event: 'join', id: 1, data: { room: 'lobby', members: [{ user: 'py' }] } });

  const tcp = Program.hawser('chat', served.endpoint('tcp').href, '--user', 'ada');
  await tcp.line('in lobby: py, ada');
  expect(JSON.parse(await peer.line('"joined"'))).toMatchObject({
    event: 'joined',
    room: 'lobby',
    member: { user: 'ada' },
  });
  const ipc = Program.hawser('chat', served.endpoint('ipc').href, '--user', 'ivy');
  await ipc.line('in lobby: py, ada, ivy');
  await tcp.line('* ivy joined lobby');

  tcp.say('ahoy');
  expect(await ipc.line('ada: ahoy')).toBe('ada: ahoy');
  expect(await ipc.line('python heard')).toBe('py: python heard ahoy');
  expect(await tcp.line('python heard')).toBe('py: python heard ahoy');
  ipc.say('/msg ada psst');
  expect(await tcp.line('psst')).toBe('ivy: psst');
  ipc.end();
  await tcp.line('* ivy left lobby');
  expect(await ipc.exitCode()).toBe(0);
  expect(peer.lines.some((line) => line.includes('psst'))).toBe(false);
});

test('a relay with history: chat and emit say so, who says where he was in lines of JSON gets what he missed, and what is no history', async () => {
  await using served = await Served.start(EVERYWHERE(), ['--history', '10,5m']);
  const url = served.endpoint('tcp').href;
  const ada = Program.hawser('chat', url, '--user', 'ada');
  await ada.line('* lobby keeps what is said');
  await ada.line('in lobby: ada');
  const sent = Program.hawser('emit', url, 'say', '{"text":"first"}', '--json');
  expect(JSON.parse(await sent.line('"sent"'))).toMatchObject({ position: { offset: 1 } });
  await ada.line(': first');
  const { position } = JSON.parse(await sent.line('"sent"')) as { position: object };
  const tail = Program.hawser('tail', url, '--json');
  await tail.line('"positioned"');
  ada.say('second');
  await tail.line('"second"');
  const socket = connectTcp(served.port('tcp'), '127.0.0.1');
  const lines = createInterface(socket)[Symbol.asyncIterator]();
  socket.write(`${JSON.stringify({ event: 'join', id: 1, data: { room: 'lobby', since: position } })}\n`);
  const heard: { event: string; offset?: number; data: unknown }[] = [];
  while (heard.at(-1)?.event !== 'join') heard.push(JSON.parse((await lines.next()).value as string));
  expect(heard.filter(({ event }) => event !== 'joined')).toMatchObject([
    { event: 'say', room: 'lobby', offset: 2, data: { text: 'second' } },
    { event: 'recovered', room: 'lobby', data: { offset: 2, missed: 1 } },
    { event: 'join', id: 1, data: { position: { offset: 2 }, recovered: true, missed: 1 } },
  ]);
  socket.destroy();
  for (const history of ['10', '10,5', '0,5m', 'x,5m', '100001,5m']) {
    const refused = Program.hawser('serve', '--history', history, '--listen', 'tcp://127.0.0.1:0');
    expect([history, await refused.exitCode()]).toEqual([history, 2]);
  }
});

test('lines of JSON over TCP: joining, publishing, direct messages and what is refused', async () => {
  await using served = await Served.start(EVERYWHERE());
  const socket = connectTcp(served.port('tcp'), '127.0.0.1');
  const lines = createInterface(socket)[Symbol.asyncIterator]();
  const ask = async (message: object): Promise<unknown> => {
    socket.write(`${JSON.stringify(message)}\n`);
    return JSON.parse((await lines.next()).value as string) as unknown;
  };
  const data = { room: 'lobby', event: 'say', data: 1 };
  expect(await ask({ event: 'hello', user: 'bob' })).toMatchObject({ event: 'welcome', data: { user: 'bob' } });
  expect(await ask({ event: 'publish', id: 1, data })).toMatchObject({ code: 'ERR_NOT_A_MEMBER', id: 1 });
  expect(await ask({ event: 'join', id: 'a', data: { room: 'lobby' } })).toMatchObject({ event: 'join', id: 'a' });
  expect(await ask({ event: 'publish', id: 2, data })).toEqual({ event: 'publish', id: 2, data: { members: 0 } });
  expect(await ask({ event: 'publish', data: { ...data, event: 'joined' } })).toMatchObject({
    code: 'ERR_EVENT_RESERVED',
  });
  expect(await ask({ event: 'message', id: 3, data: { ...data, user: 'nobody' } })).toMatchObject({
    code: 'ERR_NO_SUCH_USER',
  });
  expect(await ask({ event: 'presence', id: 4, data: { room: 'lobby' } })).toMatchObject({
    data: { members: [{ user: 'bob' }] },
  });
  expect(await ask({ event: 'users', id: 5 })).toMatchObject({ data: { users: [{ user: 'bob', sockets: 1 }] } });
  expect(await ask({ event: 'rooms', id: 6 })).toMatchObject({ data: { rooms: [{ room: 'lobby', members: 1 }] } });
  expect(await ask({ event: 'join', id: 7, data: { room: 7 } })).toMatchObject({ code: 'ERR_ARGUMENT', id: 7 });
  expect(await ask({ event: 'leave', id: 8, data: { room: 'lobby' } })).toMatchObject({ data: { room: 'lobby' } });
  socket.destroy();
});

test('with a secret a token is needed, says who comes, and bounds the rooms', async () => {
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'x'.repeat(40));
  await using served = await Served.start(EVERYWHERE(), ['--secret', secret]);
  const url = served.endpoint('tcp').href;
  const maker = Program.hawser('token', '--secret', secret, '--user', 'ada', '--room', 'team-*', '--expires', '5m');
  const token = await maker.line('.');
  const none = Program.hawser('call', url, 'users');
  expect(await none.exitCode()).toBe(3);
  expect(none.errors.join()).toContain('ERR_AUTH_REQUIRED');
  const bad = Program.hawser('call', url, 'users', '--token', `${token.slice(0, -3)}AAA`);
  expect(await bad.exitCode()).toBe(3);
  const good = Program.hawser('call', url, 'join', '{"room":"team-a"}', '--token', token, '--json');
  expect(JSON.parse(await good.line('answer'))).toMatchObject({ data: { members: [{ user: 'ada' }] } });
  const outside = Program.hawser('call', url, 'join', '{"room":"lobby"}', '--token', token);
  expect(await outside.exitCode()).toBe(1);
  expect(outside.errors.join()).toContain('ERR_NOT_ALLOWED');
  const socket = connectTcp(served.port('tcp'), '127.0.0.1');
  socket.write('{"event":"join","id":1,"data":{"room":"team-a"}}\n');
  const answer = once(createInterface(socket), 'line');
  expect(JSON.parse(String((await answer)[0]))).toMatchObject({ event: 'error', code: 'ERR_AUTH_REQUIRED' });
});

test('a busy port, a wrong flag and a public address are each one clear line and their exit code', async () => {
  await using served = await Served.start(['ws://127.0.0.1:0', 'tcp://127.0.0.1:0']);
  const busy = Program.hawser('serve', '--listen', served.endpoint('ws').href);
  expect(await busy.exitCode()).toBe(1);
  expect(busy.errors).toEqual([`hawser: ERR_ADDRESS_IN_USE: ${served.endpoints[0]} is in use`]);
  const flag = Program.hawser('serve', '--nonsense');
  expect(await flag.exitCode()).toBe(2);
  expect(flag.errors).toEqual(["hawser: Unknown option '--nonsense'. Try hawser --help"]);
  const value = Program.hawser('serve', '--listen', '--json');
  expect(await value.exitCode()).toBe(2);
  expect(value.errors).toEqual(["hawser: Option '--listen' needs a value. Try hawser --help"]);
  const open = Program.hawser('serve', '--listen', 'ws://0.0.0.0:0');
  expect(await open.exitCode()).toBe(1);
  expect(open.errors.join('\n')).toMatch(/ERR_NOT_ALLOWED: .*--insecure/);
  const nowhere = Program.hawser('call', 'tcp://127.0.0.1:1', 'users');
  expect(await nowhere.exitCode()).toBe(1);
  expect(nowhere.errors).toHaveLength(1);
  const otherwise = Program.hawser('call', `http://127.0.0.1:${served.port('tcp')}`, 'users');
  expect(await otherwise.exitCode()).toBe(1);
  expect(otherwise.errors.join('\n')).toContain('ERR_HANDSHAKE_REFUSED');
  const unnamed = Program.hawser('serve', '--listen', 'tcp://127.0.0.1:0', '--announce', 'no name');
  expect(await unnamed.exitCode()).toBe(1);
  expect(unnamed.errors.join('\n')).toContain('ERR_ARGUMENT');
});

test('the socket file is this user’s alone, and is gone after SIGTERM, which ends with 0', async () => {
  const path = join(folder, 'h.sock');
  const server = Program.hawser('serve', '--json', '--listen', `ipc://${path}`);
  const listening = JSON.parse(await server.line('listening'));
  expect(listening).toEqual({ event: 'listening', endpoints: [`ipc://${path}`] });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const watcher = Program.hawser('chat', `ipc://${path}`, '--user', 'ada');
  await watcher.line('in lobby: ada');
  const tail = Program.hawser('tail', `ipc://${path}`, '--room', 'lobby');
  await watcher.line('joined lobby');
  const sender = Program.hawser('emit', `ipc://${path}`, 'say', '{"text":"hi"}', '--user', 'em', '--json');
  expect(JSON.parse(await sender.line('sent'))).toMatchObject({ event: 'sent', room: 'lobby', members: 2 });
  expect(JSON.parse(await tail.line('"say"'))).toMatchObject({ event: 'say', room: 'lobby', from: { user: 'em' } });
  expect(await watcher.line('em: hi')).toBe('em: hi');
  server.child.kill('SIGTERM');
  expect(await server.exitCode()).toBe(0);
  expect(() => statSync(path)).toThrow('ENOENT');
});

test('an app of one’s own gets the server', async () => {
  const app = join(folder, 'app.mjs');
  writeFileSync(app, "export default (server) => server.on('connection', (s) => s.handle('twice', (n) => 2 * n));\n");
  const server = Program.hawser('serve', app, '--json', '--listen', 'tcp://127.0.0.1:0');
  const { endpoints } = JSON.parse(await server.line('listening')) as { endpoints: string[] };
  const asked = Program.hawser('call', endpoints[0] ?? '', 'twice', '21');
  expect(await asked.line('42')).toBe('42');
});

test('keygen makes a pair of keys that only its owner can read, and overwrites none', async () => {
  const maker = Program.hawser('keygen', '--out', join(folder, 'keys'), '--names', 'prikey.pem,pubkey.pem', '--json');
  const { key } = JSON.parse(await maker.line('.pem')) as { key: string };
  expect(await maker.exitCode()).toBe(0);
  expect(key).toMatch(/^[\w-]{43}$/);
  expect(statSync(join(folder, 'keys/prikey.pem')).mode & 0o777).toBe(0o600);
  const pair = ['prikey.pem', 'pubkey.pem'].map((name) => readFileSync(join(folder, 'keys', name), 'utf8'));
  expect(pair[0]).toContain('BEGIN PRIVATE KEY');
  expect(pair[1]).toContain('BEGIN PUBLIC KEY');
  const again = Program.hawser('keygen', '--out', join(folder, 'keys'), '--names', 'prikey.pem,pubkey.pem');
  expect(await again.exitCode()).toBe(1);
  expect(again.errors.join()).toMatch(/ERR_FILE_EXISTS.*is there already/);
  const wrong = Program.hawser('keygen', '--out', folder, '--names', '../a,b');
  expect(await wrong.exitCode()).toBe(2);
});
