import { describe, expect, onTestFinished, test } from 'vitest';
import { parseEndpoint } from '../../transport/index.ts';
import { inheritedFd } from '../inherited.ts';
import { ipcTransport } from './index.ts';
import { pipeAccess, pipeOf } from './pipe.ts';

describe('named pipes of Windows', () => {
  test.each([
    ['ipc://./pipe/hawser', '\\\\.\\pipe\\hawser'],
    ['ipc://./pipe/hawser?namespace=/a', '\\\\.\\pipe\\hawser'],
    ['\\\\.\\pipe\\hawser', '\\\\.\\pipe\\hawser'],
    ['ipc:\\\\.\\pipe\\hawser', '\\\\.\\pipe\\hawser'],
    ['ipc://./pipe/two%20words', '\\\\.\\pipe\\two words'],
  ])('%s', (url, pipe) => {
    const endpoint = parseEndpoint(url);
    expect([endpoint.scheme, pipeOf(endpoint.path)]).toEqual(['ipc', pipe]);
  });

  test.each(['ipc:///run/pipe/a', 'ipc:///./pipe/a', 'ipc://pipe/a', 'ipc://../pipe/a'])('%s is a file', (url) => {
    expect(pipeOf(parseEndpoint(url).path)).toBeUndefined();
  });

  test.each(['ipc://./pipe/', 'ipc:\\\\.\\pipe\\a\\b', `ipc://./pipe/${'x'.repeat(248)}`])('%s is none', (url) => {
    expect(() => pipeOf(parseEndpoint(url).path)).toThrowError(expect.objectContaining({ code: 'ERR_URL' }));
  });

  test('others than the owner get in by ?mode=', () => {
    expect([0o600, 0o604, 0o666].map(pipeAccess)).toEqual([
      { readableAll: false, writableAll: false },
      { readableAll: true, writableAll: false },
      { readableAll: true, writableAll: true },
    ]);
  });

  test('elsewhere: ERR_URL', async () => {
    const { platform } = process;
    onTestFinished(() => void Object.defineProperty(process, 'platform', { value: platform }));
    Object.defineProperty(process, 'platform', { value: 'linux' });
    const dialled = ipcTransport.dial(parseEndpoint('ipc://./pipe/hawser'), {
      world: undefined as never,
      messageBytes: 1,
      backlogMark: 1,
      closeWait: 1,
      protocols: ['hawser.v1'],
      signal: new AbortController().signal,
    });
    await expect(dialled).rejects.toMatchObject({ code: 'ERR_URL' });
  });
});

describe('descriptors that were passed', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:admin' };

  test.each([
    [undefined, undefined],
    ['5', 5],
    ['systemd', 3],
    ['systemd:web', 3],
    ['systemd:admin', 4],
  ])('fd=%s', (text, fd) => {
    expect(inheritedFd(text, env, 7)).toBe(fd);
  });

  test.each([
    ['systemd', { ...env, LISTEN_PID: '8' }],
    ['systemd', {}],
    ['systemd', { LISTEN_PID: '7', LISTEN_FDS: 'many' }],
    ['systemd:other', env],
    ['systemd:admin', { ...env, LISTEN_FDS: '1' }],
    ['launchd', env],
    ['-1', env],
    ['', env],
  ])('fd=%s of %o: ERR_OPTION', (text, passed) => {
    expect(() => inheritedFd(text, passed, 7)).toThrowError(expect.objectContaining({ code: 'ERR_OPTION' }));
  });
});
