import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { commandsOf, Terminal, talksOf } from '../support/example.ts';
import { ROOT } from '../support/tree.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function type(command: string | undefined): Terminal {
  const terminal = new Terminal(command ?? '');
  open.push(terminal);
  return terminal;
}

const [SERVER, CLIENT, SOCAT, WAIT, SAVE, UNREF, CHAT, CHAT_SOCAT] = [0, 1, 2, 3, 4, 5, 6, 7];

function commandOf(block: number, replacements: Readonly<Record<string, string>> = {}): string {
  return commandsOf('tcp-echo', replacements)[block]?.[0] ?? '';
}

/** Starts a server of the README on a free port. */
async function serve(block: number, others: Record<string, string> = {}): Promise<{ server: Terminal; port: string }> {
  const word = block === CHAT ? '--port 7001' : '--port 7000';
  const server = type(commandOf(block, { [word]: '--port 0', ...others }));
  const [, port = ''] = await server.shows(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
  return { server, port };
}

function dial(port: string): Socket {
  const socket = connect({ port: Number(port), host: '127.0.0.1' });
  open.push({ [Symbol.asyncDispose]: async () => void socket.destroy() });
  socket.on('error', () => {});
  return socket;
}

describe('the echo', () => {
  test('a file comes back whole, and is counted', async () => {
    const { server, port } = await serve(SERVER);
    const bytes = readFileSync(join(ROOT, 'package-lock.json')).length;
    const client = type(commandOf(CLIENT, { ':7000': `:${port}` }));
    await client.shows(`${bytes} bytes sent, ${bytes} came back`);
    await client.shows('they are the same');
    expect(await client.exit()).toBe(0);
    await server.shows('client 1 comes from 127.0.0.1; 1 connected');
    await server.shows(`${bytes} bytes read, ${bytes} written`);
  });

  test('socat takes part; when it is killed the server goes on', async () => {
    const { server, port } = await serve(SERVER);
    const socat = type(commandOf(SOCAT, { ':7000': `:${port}` }));
    const [talk = []] = talksOf('tcp-echo');
    for (const line of talk) {
      socat.type(line);
      await socat.shows(line);
    }
    socat.signal('SIGKILL');
    await server.shows('client 1 is gone');
    const client = type(commandOf(CLIENT, { ':7000': `:${port}` }));
    await client.shows('they are the same');
    server.signal('SIGINT');
    expect(await server.exit()).toBe(0);
  });

  test('a silent client is sent away', async () => {
    const { server, port } = await serve(SERVER, { '--idle 60000': '--idle 200' });
    const socket = dial(port);
    await once(socket, 'close');
    expect((await server.shows(/client 1 is gone \((\d+)/))[1]).toBe('4000');
  });

  test('one more than allowed is closed, the others are served', async () => {
    const { port } = await serve(SERVER, { '--most 100': '--most 1' });
    const first = dial(port);
    first.write('a');
    await once(first, 'data');
    const second = dial(port);
    second.resume();
    await once(second, 'close');
    first.write('b');
    expect(String((await once(first, 'data'))[0])).toBe('b');
  });

  test('a server that reads late loses nothing', async () => {
    const { port } = await serve(WAIT, { '--wait 2000': '--wait 300' });
    const client = type(commandOf(CLIENT, { ':7000': `:${port}` }));
    await client.shows('they are the same');
    expect(await client.exit()).toBe(0);
  });

  test('what comes is piped into a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hawser-echo-'));
    const { server, port } = await serve(SAVE, { '/tmp': folder });
    const bytes = Buffer.alloc(500_000, 'the rope ');
    dial(port).end(bytes);
    const [, path = ''] = await server.shows(/saved (.+)/);
    expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
    rmSync(folder, { recursive: true });
  });

  test('an unref’d listener keeps nobody waiting', async () => {
    const { server } = await serve(UNREF);
    expect(await server.exit()).toBe(0);
  });

  test('a port that is taken is said in one line', async () => {
    const { port } = await serve(SERVER);
    const second = type(commandOf(SERVER, { '--port 7000': `--port ${port}` }));
    await second.shows(/server: .*in use/);
    expect(await second.exit()).toBe(1);
  });
});

describe('the chat', () => {
  test('what one types all others read; a line that is too long costs its writer the connection', async () => {
    const { port } = await serve(CHAT);
    const socat = type(commandOf(CHAT_SOCAT, { ':7001': `:${port}` }));
    await socat.shows('you are guest 1; 1 here');
    const other = dial(port);
    let heard = '';
    other.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    await socat.shows('guest 2 is here');
    const [, talk = []] = talksOf('tcp-echo');
    for (const line of talk) socat.type(line);
    while (!heard.includes('guest 1 has left')) await once(other, 'data');
    expect(heard).toContain('guest 1: hello\n');
    const loud = dial(port);
    loud.resume();
    loud.write('x'.repeat(2000));
    await once(loud, 'close');
    while (!heard.includes('guest 3 has left')) await once(other, 'data');
    expect(heard).not.toContain('xxx');
  });
});
