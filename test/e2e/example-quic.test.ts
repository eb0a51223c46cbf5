import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { commandsOf, Terminal, talksOf } from '../support/example.ts';

const folder = mkdtempSync(join(tmpdir(), 'hawser-example-quic-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const [CERT, SERVER, CLIENT, KEYGEN, UDPACK_SERVER, UDPACK_CLIENT, DISTRUST] = [0, 1, 2, 3, 4, 5, 6];

/** Types a command of the README, with keys in a folder of the test's own and another port. */
function type(block: number, port = '0'): Terminal {
  const words = { ':3000': `:${port}`, '=keys/': `=${folder}/`, '--out keys': `--out ${folder}` };
  const terminal = new Terminal(commandsOf('quic', words)[block]?.[0] ?? '');
  open.push(terminal);
  return terminal;
}

beforeAll(async () => {
  for (const block of [CERT, KEYGEN]) await type(block).exit();
});

const PAIRS = [
  ['quic', SERVER, CLIENT],
  ['udpack', UDPACK_SERVER, UDPACK_CLIENT],
] as const;

test.each(PAIRS)('over %s each line is answered, and quit stops the server', async (scheme, server, client) => {
  const serving = type(server);
  const [, port] = await serving.shows(new RegExp(`listening on ${scheme}://127\\.0\\.0\\.1:(\\d+)`));
  const typing = type(client, port);
  await typing.shows(`connected over ${scheme}`);
  const [talk = []] = talksOf('quic');
  expect(talk).toEqual(['first line', 'quit']);
  typing.type(talk[0] as string);
  await typing.shows('we received the following back: Thank you for the data!');
  typing.type(talk[1] as string);
  await typing.shows('we received the following back: Good bye!');
  expect(await typing.exit()).toBe(0);
  await serving.shows(`127.0.0.1 is here, over ${scheme}`);
  await serving.shows('we received data: first line');
  await serving.shows('we are going to stop listening for data');
  expect(await serving.exit()).toBe(0);
});

test('a certificate that is not trusted is refused; a client that ends its input leaves politely', async () => {
  const serving = type(SERVER);
  const [, port] = await serving.shows(/listening on quic:\/\/127\.0\.0\.1:(\d+)/);
  const distrustful = type(DISTRUST, port);
  await distrustful.shows('is not safe: its certificate is self-signed');
  expect(await distrustful.exit()).toBe(1);
  const polite = type(CLIENT, port);
  await polite.shows('connected over quic');
  polite.signal('SIGINT');
  expect(await polite.exit()).toBe(0);
  await serving.shows('is gone (1000)');
  serving.signal('SIGINT');
  expect(await serving.exit()).toBe(0);
});

test('the server is killed: the client is told', async () => {
  const serving = type(SERVER);
  const [, port] = await serving.shows(/listening on quic:\/\/127\.0\.0\.1:(\d+)/);
  const typing = type(CLIENT, port);
  await typing.shows('connected over quic');
  serving.signal('SIGTERM');
  await serving.exit();
  typing.type('anybody there?');
  await typing.shows('client: ');
  expect(await typing.exit()).toBe(1);
}, 60_000);
