import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StaticServers, Tree } from '../../test/support/static-servers.ts';
import { serveFiles } from './index.ts';

const CANARY = 'nobody may read this';
const RUNS = 600;
/** What a path may hold at all in HTTP/2. */
const VISIBLE = /^\/[!-~]*$/;

let tree: Tree;
let servers: StaticServers;

beforeAll(async () => {
  tree = new Tree({ 'index.html': 'i', 'a/b': 'b', '../canary': CANARY, '../other/canary': CANARY, '.env': CANARY });
  symlinkSync('../canary', tree.path('link'));
  symlinkSync('../other', tree.path('a/link'));
  symlinkSync('.', tree.path('self'));
  servers = await StaticServers.open(serveFiles(tree.root));
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
  tree[Symbol.dispose]();
});

const step = fc.constantFrom('..', '.', '%2e%2e', '%2E.', '.%2e', '%252e%252e', '%c0%ae%c0%ae', '...', '..;', '', ' ');
const name = fc.constantFrom(
  'canary',
  'other',
  'files',
  'a',
  'b',
  'link',
  'self',
  '.env',
  '%2eenv',
  'canary%00',
  'etc/passwd',
);
const slash = fc.constantFrom('/', '/', '/', '%2f', '\\', '%5c', '//', '/%2f', '%c0%af', '?', '#', '%');
const path = fc
  .array(fc.tuple(slash, fc.oneof(step, name, fc.string({ maxLength: 3 }))), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.flat().join(''));

/** Everything that the server says to one request whose target goes as it is, byte for byte. */
async function said(target: string): Promise<string> {
  const socket = connect(servers.port('HTTP/1.1'), '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  socket.end(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  await new Promise((resolve) => socket.on('close', resolve));
  return text;
}

test('the canary is there, and sings where links may lead out', async () => {
  await using loose = await StaticServers.open(serveFiles(tree.root, { symlinks: true }));
  expect((await loose.ask('HTTP/1.1', '/link')).text).toBe(CANARY);
});

test('whatever path is asked for over HTTP/1.1, nothing outside of the folder is read, and nothing hidden', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(path, fc.webPath(), fc.string()), async (target) => {
      expect(await said(target.replaceAll(/[\r\n]/g, ''))).not.toContain(CANARY);
    }),
    { numRuns: RUNS },
  );
});

test('nor over HTTP/2', async () => {
  const session = servers.session();
  await fc.assert(
    fc.asyncProperty(
      path.filter((one) => VISIBLE.test(one)),
      async (target) => {
        const stream = session.request({ ':path': target });
        let text = '';
        stream.setEncoding('latin1').on('data', (chunk: string) => {
          text += chunk;
        });
        await once(stream, 'close').catch(() => {});
        expect(text).not.toContain(CANARY);
        expect(stream.rstCode).toBe(0);
      },
    ),
    { numRuns: RUNS },
  );
});
