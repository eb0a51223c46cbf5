import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ROOT } from '../support/tree.ts';

const MAIN = join(ROOT, 'dist/cli/main.js');
const MIB = 1 << 20;
const TOTAL = 48 * MIB;
/** Where the line stalls. */
const STALL = 24 * MIB;
const commands: Command[] = [];
const lines: Line[] = [];
let folder = '';
let inbox = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  inbox = join(folder, 'inbox');
  mkdirSync(inbox);
});

afterEach(async () => {
  for (const line of lines.splice(0)) line.close();
  for (const command of commands.splice(0)) await command.kill();
  rmSync(folder, { recursive: true, force: true });
});

type Said = Readonly<Record<string, unknown>> & { readonly event: string };

/** `hawser`, as people run it; what it says with --json can be waited for. */
class Command {
  readonly child: ChildProcess;
  readonly said: string[] = [];
  readonly errors: string[] = [];
  readonly #reader: Interface;
  /** Its end, when all that it said has been read. */
  readonly #ended: Promise<unknown>;
  #isGone = false;

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = once(this.child, 'close').then(() => (this.#isGone = true));
    this.#reader = createInterface(this.child.stdout as NodeJS.ReadableStream);
    this.#reader.on('line', (line) => this.said.push(line));
    createInterface(this.child.stderr as NodeJS.ReadableStream).on('line', (line) => this.errors.push(line));
    commands.push(this);
  }

  /** The first object with this event, and this name where one is given, from now or before. */
  async event(event: string, name?: string): Promise<Said> {
    for (;;) {
      const all = this.said.map((line) => JSON.parse(line) as Said);
      const found = all.find((one) => one.event === event && (name === undefined || one['name'] === name));
      if (found) return found;
      if (this.#isGone) throw new Error(`ended without '${event}': ${this.errors.join('\n')}`);
      await Promise.race([once(this.#reader, 'line'), this.#ended]);
    }
  }

  async exitCode(): Promise<number | null> {
    await this.#ended;
    return this.child.exitCode;
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#ended;
  }
}

async function receiver(...args: readonly string[]): Promise<{ readonly command: Command; readonly url: string }> {
  const listen = args.includes('--listen') ? [] : ['--listen', 'tcp://127.0.0.1:0'];
  const command = new Command('receive', '--dir', inbox, '--json', ...listen, ...args);
  const { endpoints } = await command.event('listening');
  return { command, url: (endpoints as string[])[0] ?? '' };
}

/** A line to a port of this machine that stalls after so many bytes, and counts them. */
class Line {
  passed = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, most: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      this.#sockets.add(client).add(server);
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => {});
        one.on('close', () => other.destroy());
      }
      server.pipe(client);
      client.on('data', (chunk) => {
        this.passed += chunk.length;
        server.write(chunk);
        if (this.passed >= most) client.pause();
      });
    });
  }

  static async to(url: string, most: number): Promise<{ readonly line: Line; readonly url: string }> {
    const line = new Line(Number(new URL(url).port), most);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    lines.push(line);
    return { line, url: `tcp://127.0.0.1:${(line.#server.address() as AddressInfo).port}` };
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function source(name = 'large.bin'): { readonly path: string; readonly sha256: string } {
  const path = join(folder, name);
  const bytes = randomBytes(TOTAL);
  writeFileSync(path, bytes);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Waits until so much of an unfinished file is in the inbox. */
async function halfway(): Promise<void> {
  await vi.waitFor(
    () => {
      const [part] = readdirSync(inbox).filter((name) => name.endsWith('.part'));
      expect(part === undefined ? 0 : statSync(join(inbox, part)).size).toBeGreaterThan(STALL - 4 * MIB);
    },
    { timeout: 30_000, interval: 20 },
  );
}

test('a folder over tcp and ws: lines of JSON on both sides, and --once ends the receiver', async () => {
  mkdirSync(join(folder, 'tree/deep'), { recursive: true });
  writeFileSync(join(folder, 'tree/deep/a b.txt'), 'hello');
  writeFileSync(join(folder, 'tree/empty'), '');
  const sha256 = createHash('sha256').update('hello').digest('hex');
  for (const scheme of ['tcp', 'ws']) {
    const { command, url } = await receiver('--listen', `${scheme}://127.0.0.1:0`, '--once', '--overwrite');
    const sender = new Command('send', join(folder, 'tree'), url, '--json');
    expect(await sender.exitCode()).toBe(0);
    expect(await command.exitCode()).toBe(0);
    const file = { name: 'tree/deep/a b.txt', bytes: 5, sha256 };
    expect(await command.event('received', file.name)).toMatchObject(file);
    expect(await sender.event('sent', file.name)).toMatchObject(file);
    expect(await sender.event('progress')).toMatchObject({ total: 5, files: 2 });
    expect(await sender.event('done')).toMatchObject({ files: 2, failed: 0, bytes: 5 });
    expect(sender.errors).toEqual([]);
    expect(readFileSync(join(inbox, 'tree/deep/a b.txt'), 'utf8')).toBe('hello');
  }
});

test('over udpack with keys of hawser keygen, by file and by text; a key that is none is one clear line', async () => {
  const keys = join(folder, 'keys');
  const made = await new Command('keygen', '--out', keys, '--json').event('keys');
  const { path, sha256 } = source();
  const { command, url } = await receiver('--listen', `udpack://127.0.0.1:0?key=${keys}/server.key`, '--overwrite');
  const to = (key: string): string => `udpack://127.0.0.1:${new URL(url).port}?key=${key}`;
  for (const key of [join(keys, 'server.pub'), made['key'] as string]) {
    const sender = new Command('send', path, to(key), '--json');
    expect(await sender.exitCode()).toBe(0);
    expect(await sender.event('sent')).toMatchObject({ name: 'large.bin', bytes: TOTAL, sha256 });
    expect(digest(join(inbox, 'large.bin'))).toBe(sha256);
  }
  expect(await command.event('received')).toMatchObject({ name: 'large.bin', bytes: TOTAL, sha256 });
  const rsa = join(folder, 'rsa.pem');
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(rsa, publicKey.export({ format: 'pem', type: 'spki' }));
  for (const [key, error] of [
    [rsa, /ERR_KEY: .*RSA.*hawser keygen/],
    [join(keys, 'server.key'), /ERR_KEY: .*private.*hawser keygen/],
    [join(folder, 'none'), /ERR_OPTION: .*can't be read/],
    // Nobody answers who doesn't know the key: the line names what may be the reason.
    [Buffer.alloc(32, 9).toString('base64url'), /ERR_CONNECT_FAILED: .*key/],
  ] as const) {
    const refused = new Command('send', path, to(key));
    expect([key, await refused.exitCode()]).toEqual([key, expect.any(Number)]);
    expect(refused.child.exitCode).toBeGreaterThan(0);
    expect(refused.errors).toEqual([expect.stringMatching(error)]);
  }
});

test('a sender is killed in the midst: the next one goes on where it was', async () => {
  const { path, sha256 } = source();
  const { command, url } = await receiver();
  const stalled = await Line.to(url, STALL);
  const first = new Command('send', path, stalled.url);
  await halfway();
  await first.kill();
  expect(existsSync(join(inbox, 'large.bin'))).toBe(false);
  const counted = await Line.to(url, Infinity);
  const second = new Command('send', path, counted.url, '--json');
  expect(await second.exitCode()).toBe(0);
  expect((await second.event('sent'))['resumed']).toBeGreaterThan(STALL - 4 * MIB);
  expect(counted.line.passed).toBeLessThan(TOTAL - STALL + 5 * MIB);
  expect(await command.event('received')).toMatchObject({ name: 'large.bin', bytes: TOTAL, sha256 });
  expect(digest(join(inbox, 'large.bin'))).toBe(sha256);
  expect(readdirSync(inbox)).toEqual(['large.bin']);
});

test('a receiver is killed in the midst: a sender that runs on, or the next one, goes on where it was', async () => {
  for (const runsOn of [true, false]) {
    const { path, sha256 } = source(`${runsOn}`);
    const { command, url } = await receiver();
    const stalled = await Line.to(url, STALL);
    const first = new Command('send', path, stalled.url, '--json');
    await halfway();
    await command.kill();
    expect(existsSync(join(inbox, `${runsOn}`))).toBe(false);
    if (!runsOn) await first.kill();
    const again = await receiver('--listen', url);
    const rest = await Line.to(url, Infinity);
    const second = runsOn ? first : new Command('send', path, rest.url, '--json');
    // Its line goes on, too.
    if (runsOn) stalled.line.passed = -Infinity;
    expect(await second.exitCode()).toBe(0);
    expect((await second.event('sent'))['resumed']).toBeGreaterThan(STALL - 4 * MIB);
    if (!runsOn) expect(rest.line.passed).toBeLessThan(TOTAL - STALL + 5 * MIB);
    expect((await again.command.event('received'))['sha256']).toBe(sha256);
    expect(digest(join(inbox, `${runsOn}`))).toBe(sha256);
    await again.command.kill();
  }
});

test('a file that was changed after its sender was killed is sent from its beginning', async () => {
  const { path } = source();
  const { url } = await receiver();
  const stalled = await Line.to(url, STALL);
  const first = new Command('send', path, stalled.url);
  await halfway();
  await first.kill();
  const bytes = randomBytes(TOTAL);
  writeFileSync(path, bytes);
  utimesSync(path, 1_000_000, 1_000_000);
  const second = new Command('send', path, url, '--json');
  expect(await second.exitCode()).toBe(0);
  expect(await second.event('sent')).toMatchObject({ resumed: 0 });
  expect(readFileSync(join(inbox, 'large.bin')).equals(bytes)).toBe(true);
  expect(readdirSync(inbox)).toEqual(['large.bin']);
});

test('what goes wrong is one clear line and an exit code', async () => {
  const path = join(folder, 'a');
  writeFileSync(path, 'new');
  writeFileSync(join(inbox, 'a'), 'old');
  const { command, url } = await receiver('--token', 'secret');
  const expectations: [args: string[], code: number, error: string][] = [
    [['send', path, url], 3, 'ERR_AUTH_REQUIRED'],
    [['send', path, url, '--token', 'wrong'], 3, 'ERR_AUTH_FAILED'],
    [['send', path, url, '--token', 'secret'], 1, 'ERR_FILE_EXISTS'],
    [['send', join(folder, 'none'), url, '--token', 'secret'], 1, 'ERR_FILE_UNREADABLE'],
    [['send', path, 'tcp://127.0.0.1:1'], 1, 'ERR_CONNECT_FAILED'],
    [['send', path, 'nonsense'], 2, 'ERR_URL'],
    [['send', path], 2, 'something is missing'],
    [['receive'], 2, '--dir'],
    [['receive', '--dir', join(folder, 'none')], 2, 'ERR_OPTION'],
    [['receive', '--dir', inbox, '--listen', 'tcp://0.0.0.0:0'], 1, 'ERR_NOT_ALLOWED'],
    [['receive', '--dir', inbox, '--listen', url], 1, 'ERR_ADDRESS_IN_USE'],
  ];
  for (const [args, code, error] of expectations) {
    const tried = new Command(...args);
    expect([args, await tried.exitCode()]).toEqual([args, code]);
    expect(tried.errors).toHaveLength(1);
    expect(tried.errors[0]).toContain(error);
  }
  expect(readFileSync(join(inbox, 'a'), 'utf8')).toBe('old');
  expect(await command.event('failed')).toMatchObject({ name: 'a', code: 'ERR_FILE_EXISTS' });
});

test('a receiver that is gone for good ends its sender with one line', async () => {
  const { path } = source();
  const { command, url } = await receiver();
  const stalled = await Line.to(url, STALL);
  const sender = new Command('send', path, stalled.url);
  await halfway();
  await command.kill();
  stalled.line.close();
  expect(await sender.exitCode()).toBe(1);
  expect(sender.errors).toHaveLength(1);
  expect(sender.errors[0]).toContain('ERR_CONNECT_FAILED');
  expect(existsSync(join(inbox, 'large.bin'))).toBe(false);
});
