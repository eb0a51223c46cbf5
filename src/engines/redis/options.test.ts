import { describe, expect, test } from 'vitest';
import { type RedisEngineOptions, resolveRedisOptions } from './options.ts';

describe('the options of the engine for Redis', () => {
  test('have defaults', () => {
    expect(resolveRedisOptions()).toEqual({
      seeds: [{ host: '127.0.0.1', port: 6379 }],
      isCluster: false,
      name: 'hawser',
      username: undefined,
      password: undefined,
      tls: undefined,
      connectWait: 5000,
      heartbeat: 1500,
      payloadBytes: 1_114_112,
      push: true,
    });
  });

  test('take user and password from the URL, unescaped, unless they are given', () => {
    const url = 'redis://ad%40a:p%3Aw@[::1]:7000';
    expect(resolveRedisOptions({ url })).toMatchObject({
      seeds: [{ host: '::1', port: 7000 }],
      username: 'ad@a',
      password: 'p:w',
    });
    expect(resolveRedisOptions({ url, username: 'bob', password: '' })).toMatchObject({
      username: 'bob',
      password: '',
    });
  });

  test.each<[RedisEngineOptions, boolean]>([
    [{ url: 'rediss://a' }, true],
    [{ url: 'rediss://a', tls: false }, false],
    [{ url: 'redis://a', tls: true }, true],
    [{ cluster: ['rediss://a', 'rediss://b'] }, true],
  ])('%j is over TLS: %j', (options, isSecure) => {
    expect(resolveRedisOptions(options).tls !== undefined).toBe(isSecure);
  });

  test.each<[object, string]>([
    [{ urls: 'redis://a' }, 'ERR_OPTION'],
    [{ url: 'redis://a', cluster: ['redis://a'] }, 'ERR_OPTION'],
    [{ cluster: [] }, 'ERR_OPTION'],
    [{ name: 'a b' }, 'ERR_OPTION'],
    [{ name: 'x'.repeat(65) }, 'ERR_OPTION'],
    [{ connectWait: 0 }, 'ERR_OPTION'],
    [{ heartbeat: 9 }, 'ERR_OPTION'],
    [{ heartbeat: Number.NaN }, 'ERR_OPTION'],
    [{ payloadBytes: 67_108_865 }, 'ERR_OPTION'],
    [{ url: 'secret' }, 'ERR_URL'],
    [{ url: 'http://:secret@a' }, 'ERR_URL'],
    [{ url: 'redis://:secret@a/1' }, 'ERR_URL'],
    [{ url: 'redis://:secret%zz@a' }, 'ERR_URL'],
  ])('%j is %s, and no secret is told', (options, code) => {
    const resolve = (): unknown => resolveRedisOptions({ ...options });
    expect(resolve).toThrow(expect.objectContaining({ code, message: expect.not.stringContaining('secret') }));
  });
});
