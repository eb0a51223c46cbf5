import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { commandsOf, Terminal, talksOf } from '../support/example.ts';

const open: Terminal[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function type(command: string | undefined): Terminal {
  const terminal = new Terminal(command ?? '');
  open.push(terminal);
  return terminal;
}

/** The first command of a block, with other words in place of some. */
function commandOf(block: number, replacements: Readonly<Record<string, string>> = {}): string {
  return commandsOf('mock', replacements)[block]?.[0] ?? '';
}

const SERVER = 0;
const CLIENT = 1;
const THREADS = 2;
const SECOND = 3;
const SOCAT = 4;
const STRICT = 5;

let sockets = 0;
const freshAddress = (scheme: string): string =>
  scheme === 'ipc' ? join(tmpdir(), `hawser-mock-${process.pid}-${sockets++}.sock`) : '127.0.0.1:0';

/** The server of the README over `scheme`, and the word that leads clients to it. */
async function serve(scheme: string, block = SERVER): Promise<{ server: Terminal; there: string }> {
  const word = block === SERVER ? '-p ws' : '-p tcp';
  const server = type(commandOf(block, { [word]: `-p ${scheme} -a ${freshAddress(scheme)}` }));
  const [, address = ''] = await server.shows(/server listens on \w+:(?:\/\/)?(\S+)/);
  return { server, there: `-p ${scheme} -a ${address}` };
}

describe('the mock', () => {
  test.each(['ws', 'tcp', 'ipc'])('over %s says hello, hears it back, and leaves', async (scheme) => {
    const { server, there } = await serve(scheme);
    const client = type(`${commandOf(CLIENT, { '-p ws': there })} --every 20`);
    await client.shows(`ada is in, over ${scheme}`);
    for (let i = 1; i <= 10; i++) await client.shows(`ada receives [hello ${i} from server]`);
    await client.shows('ada is out (1000 )');
    expect(await client.exit()).toBe(0);
    await server.shows(`ada logs in over ${scheme}`);
    await server.shows('ada is gone (1000 )');
    server.signal('SIGINT');
    expect(await server.exit()).toBe(0);
  });

  test('between threads does the same', async () => {
    const client = type(`${commandOf(THREADS)} --every 20`);
    await client.shows('ada is in, over worker');
    await client.shows('ada receives [hello 10 from server]');
    await client.shows('ada is out (1000 )');
    expect(await client.exit()).toBe(0);
  });

  test('a second ada is refused, and the first does not notice', async () => {
    const { there } = await serve('ws');
    const first = type(`${commandOf(CLIENT, { '-p ws': there })} --every 20 -c 1000`);
    await first.shows('receives [hello 1 ');
    const second = type(commandOf(SECOND, { '-p ws': there }));
    await second.shows('client: the user is logged in already');
    expect(await second.exit()).toBe(1);
    await first.shows('receives [');
  });

  test('a client without a name is refused', async () => {
    const { there } = await serve('tcp');
    const client = type(`${commandOf(CLIENT, { '-p ws': there })} -n ''`);
    await client.shows('client: say your name first');
    expect(await client.exit()).toBe(1);
  });

  test('plain JSON lines take part', async () => {
    const { server, there } = await serve('tcp');
    const [, , , address = ''] = there.split(' ');
    const [lines = []] = talksOf('mock');
    const socat = type(commandOf(SOCAT, { '127.0.0.1:8000': address }));
    socat.type(lines[0] ?? '');
    await socat.shows('"event":"welcome"');
    socat.type(lines[1] ?? '');
    await socat.shows('{"event":"message","data":"hi from server"}');
    expect((await server.shows(/(\w+) logs in over tcp/))[1]).toBe('bob');
  });

  test('who says nothing in time is sent away', async () => {
    const { there } = await serve('tcp', STRICT);
    const [, , , address = ''] = there.split(' ');
    const socat = type(commandOf(SOCAT, { '127.0.0.1:8000': address }));
    const [line] = await socat.shows(/\{.*\}/);
    expect(JSON.parse(line)).toEqual({
      event: 'error',
      code: 'ERR_LOGIN_TIMEOUT',
      message: 'nothing was said in time',
    });
  });

  test.each([
    ['SIGINT', 'ada is out (4006 the server is closing)'],
    ['SIGKILL', /ada is out \(1006 .*\)/],
  ] as const)('the server ends by %s: the client is told', async (signal, told) => {
    const { server, there } = await serve('tcp');
    const client = type(`${commandOf(CLIENT, { '-p ws': there })} --every 20 -c 10000`);
    await client.shows('receives [hello 1 ');
    server.signal(signal);
    await client.shows(told);
    expect(await client.exit()).toBe(1);
  });

  test('the client is killed: the server is told', async () => {
    const { server, there } = await serve('ipc');
    const client = type(`${commandOf(CLIENT, { '-p ws': there })} --every 20 -c 10000`);
    await client.shows('receives [hello 1 ');
    client.signal('SIGKILL');
    expect((await server.shows(/ada is gone \((\d+) /))[1]).toBe('1006');
  });
});
