import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { commandsOf, Terminal } from '../support/example.ts';

/** More than a few pieces, and not a whole number of them. */
const BYTES = 5 * 1024 * 1024 + 4321;
const [KEYGEN, SERVER, CLIENT] = [0, 1, 2];

const open: AsyncDisposable[] = [];
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-upload-'));
  writeFileSync(join(folder, 'some.bin'), randomBytes(BYTES));
  for (const keys of ['keys', 'other-keys']) await type(KEYGEN, { keys: join(folder, keys) }).exit();
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Other {
  readonly keys?: string;
  readonly port?: string;
  readonly file?: string;
}

/** Types a command of the README, with other folders, files and ports. */
function type(block: number, { keys = join(folder, 'keys'), port = '0', file = 'some.bin' }: Other): Terminal {
  const [[keygen = ''] = [], [server = ''] = [], [client = ''] = []] = commandsOf('file-upload', {
    '--out keys': `--out ${keys}`,
    '--keys keys': `--keys ${keys}`,
    '--dir received': `--dir ${join(folder, 'received')}`,
    'client.js package-lock.json': `client.js ${join(folder, file)}`,
    '--port 45456': `--port ${port}`,
  });
  const terminal = new Terminal([keygen, server, client][block] ?? '');
  open.push(terminal);
  return terminal;
}

async function serve(): Promise<{ server: Terminal; port: string }> {
  const server = type(SERVER, {});
  const [, port = ''] = await server.shows(/listening on port (\d+)/);
  return { server, port };
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

test('a file goes over, whole, and both ends', async () => {
  const { server, port } = await serve();
  const client = type(CLIENT, { port });
  await client.shows(`${BYTES} bytes sent`);
  await server.shows(`${BYTES} bytes received`);
  expect([await client.exit(), await server.exit()]).toEqual([0, 0]);
  expect(digest(join(folder, 'received/some.bin'))).toBe(digest(join(folder, 'some.bin')));
});

test('who is killed harms nobody: the next client is served', async () => {
  const { server, port } = await serve();
  const killed = type(CLIENT, { port });
  await killed.shows('sending');
  killed.signal('SIGKILL');
  await killed.exit();
  const client = type(CLIENT, { port });
  await client.shows(`${BYTES} bytes sent`);
  expect([await client.exit(), await server.exit()]).toEqual([0, 0]);
});

test('a server that was killed and started again says so to who was in the middle', async () => {
  const { server, port } = await serve();
  writeFileSync(join(folder, 'large.bin'), '');
  truncateSync(join(folder, 'large.bin'), 2 ** 31);
  const client = type(CLIENT, { port, file: 'large.bin' });
  await client.shows('sending');
  server.signal('SIGKILL');
  await server.exit();
  await type(SERVER, { port }).shows('listening');
  await client.shows('it was started anew');
  expect(await client.exit()).toBe(1);
});

test('a server with another key is not spoken to, and the client says what may be wrong', async () => {
  const { server, port } = await serve();
  const client = type(CLIENT, { port, keys: join(folder, 'other-keys') });
  await client.shows('the public key given is not the one of that server');
  expect(await client.exit()).toBe(1);
  expect(server.shown).not.toContain('received');
});

test('keys and a file that are not there are one line, before anybody is dialled', async () => {
  for (const [block, other, line] of [
    [SERVER, { keys: join(folder, 'no-keys') }, /^server: ENOENT: .*no-keys/m],
    [CLIENT, { keys: join(folder, 'no-keys') }, /^client: ENOENT: .*no-keys/m],
    [CLIENT, { file: 'no-file' }, /^client: ENOENT: .*no-file/m],
  ] as const) {
    const program = type(block, other);
    await program.shows(line);
    expect(await program.exit()).toBe(1);
    expect(program.shown).not.toContain('    at ');
  }
});
