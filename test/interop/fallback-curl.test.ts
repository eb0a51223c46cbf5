import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { createServer } from '../../src/index.ts';
import { textOf } from '../support/tree.ts';

test('a link by hand, with the commands of the guide', async () => {
  await using server = createServer();
  const ends: unknown[] = [];
  server.on('connection', (socket) => {
    socket.handle('echo', (data) => data);
    socket.on('close', (reason) => ends.push(reason));
  });
  const [url = ''] = await server.listen('http://127.0.0.1:0');
  const [, commands = ''] = /```sh\n([\s\S]*?)```/.exec(textOf('docs/guides/fallback.md')) ?? [];
  expect(commands).toContain('http://127.0.0.1:3000');
  const shell = spawn('bash', ['-c', commands.replace('http://127.0.0.1:3000', url)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  expect(await once(shell, 'close')).toEqual([0, null]);
  const events = said.split('\n\n').filter((event) => !event.startsWith(':') && event !== '');
  expect(events[0]).toBe('event: ready\ndata:');
  expect(events[1]).toMatch(/^id: 1\ndata: {"event":"welcome",/);
  expect(events.slice(2)).toEqual([
    'id: 2\ndata: {"event":"echo","id":1,"data":"ahoy"}',
    'id: 3\nevent: close\ndata: 1000 done',
  ]);
  expect(ends).toEqual([{ code: 1000, reason: 'done' }]);
});
