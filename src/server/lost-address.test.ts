import { execFileSync } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import { parseEndpoint } from '../transport/index.ts';
import { createServer } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const WORDS = {
  tcp: 'PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n{"event":"hello"}\n{"event":"do"}\n',
  line: '{"event":"hello"}\n{"event":"do"}\n',
  ws:
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
};

/** Says something and resets the connection, all before this process turns to it: the system has forgotten who it was, not what it said. */
function sayAndReset(port: number, words: string): void {
  const program = `
    const socket = require('node:net').connect(${port}, '127.0.0.1', () => {
      socket.write(${JSON.stringify(words)}, () => socket.resetAndDestroy());
    });`;
  execFileSync(process.execPath, ['-e', program]);
}

test.each([
  ['tcp', 'tcp', ['unix']],
  ['ws', 'ws', ['unix']],
  ['tcp', 'line', []],
] as const)(
  'over %s a peer that has gone is never taken for one without an address: %s, trusting %j',
  async (scheme, words, trustProxy) => {
    const shown: [string, boolean][] = [];
    const server = createServer({
      trustProxy,
      times: { closeWait: 100 },
      authenticate: ({ remote, local }) => {
        shown.push([remote, local]);
        return { user: 'ada' };
      },
    });
    open.push(server);
    const [url = ''] = await server.listen(`${scheme}://127.0.0.1:0`);
    sayAndReset(parseEndpoint(url).port ?? 0, WORDS[words]);
    const [listener] = server.listeners;
    for (let seen = false; !seen; await new Promise(setImmediate)) {
      const { accepted = 0, connections = 1 } = listener?.stats ?? {};
      seen = accepted > 0 && connections === 0;
    }
    expect(shown.filter(([remote, local]) => local || remote !== 'unknown')).toEqual([]);
  },
);
