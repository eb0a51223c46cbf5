import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { NatsBus } from './bus.ts';
import { type NatsEngineOptions, resolveNatsOptions } from './options.ts';

describe('the options of the engine for NATS', () => {
  test('have defaults', () => {
    expect(resolveNatsOptions({ servers: 'localhost' })).toEqual({
      servers: ['localhost:4222'],
      name: 'hawser',
      login: { kind: 'none' },
      tls: undefined,
      history: { storage: 'file', replicas: 1, maxBytes: -1 },
      connectWait: 5000,
      reconnectWait: 500,
      pingInterval: 3000,
      answerWait: 5000,
    });
  });

  test.each([
    ['nats://a:1', ['a:1'], false],
    ['a,b:5', ['a:4222', 'b:5'], false],
    [['nats://a', 'tls://b'], ['a:4222', 'b:4222'], true],
    ['nats://[::1]:4222', ['[::1]:4222'], false],
  ])('servers %j are %j', (servers, listens, isTls) => {
    const resolved = resolveNatsOptions({ servers });
    expect([resolved.servers, resolved.tls !== undefined]).toEqual([listens, isTls]);
  });

  test.each([
    [{ servers: 'nats://ada:p%40ss@a' }, { kind: 'user', user: 'ada', pass: 'p@ss' }],
    [{ servers: 'nats://token@a' }, { kind: 'token', token: 'token' }],
    [
      { servers: 'nats://ada:pass@a', user: 'bob', pass: 'x' },
      { kind: 'user', user: 'bob', pass: 'x' },
    ],
    [
      { servers: 'a', token: 't' },
      { kind: 'token', token: 't' },
    ],
    [
      { servers: 'a', nkey: 'SU' },
      { kind: 'nkey', seed: 'SU' },
    ],
  ])('%j logs in by %j', (options, login) => {
    const resolved = resolveNatsOptions(options);
    expect(resolved.login).toEqual(login);
    expect(resolved.servers).toEqual(['a:4222']);
  });

  test.each([
    ['ERR_OPTION', { servers: [] }],
    ['ERR_OPTION', { servers: 'a', name: 'a.b' }],
    ['ERR_OPTION', { servers: 'a', name: '' }],
    ['ERR_OPTION', { servers: 'a', nmae: 'x' }],
    ['ERR_OPTION', { servers: 'a', user: 'secret', token: 'secret' }],
    ['ERR_OPTION', { servers: 'a', credentials: '/nowhere/a.creds' }],
    ['ERR_OPTION', { servers: 'a', history: { replicas: 2 } }],
    ['ERR_OPTION', { servers: 'a', history: { storage: 'disk' } }],
    ['ERR_OPTION', { servers: 'a', history: { maxBytes: 0 } }],
    ['ERR_OPTION', { servers: 'a', connectWait: 0 }],
    ['ERR_OPTION', { servers: 'a', pingInterval: Number.NaN }],
    ['ERR_URL', { servers: 'http://ada:secret@a' }],
    ['ERR_URL', { servers: 'nats://ada:secret@' }],
    ['ERR_URL', { servers: 'nats://ada:secret@a:99999' }],
    ['ERR_URL', { servers: 'nats://ada:secret%zz@a' }],
  ])('%s for %j, without a secret', (code, options) => {
    const act = (): unknown => resolveNatsOptions(options as NatsEngineOptions);
    expect(act).toThrow(expect.objectContaining({ code }));
    expect(act).not.toThrow(/secret/);
  });

  test('without its client the engine says what to install', async () => {
    const { loadNats } = await import('./client.ts');
    await expect(loadNats(() => Promise.reject(new Error('Cannot find package')))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('npm install @nats-io/transport-node @nats-io/jetstream'),
    });
    const bus = new NatsBus({ servers: 'a' }, realWorld(), () => loadNats(() => Promise.reject(new Error('none'))));
    const host = { received() {}, logged() {}, reconnected() {}, disconnected() {}, report() {} };
    await expect(bus.start(host)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  test('before the start and after the end calls are quiet, or say that there is no server', async () => {
    const bus = new NatsBus({ servers: 'a' }, realWorld());
    const rule = { name: '/ r', size: 1, age: 1 };
    bus.publish({ kind: 'all' }, new Uint8Array(1));
    bus.subscribe({ kind: 'all' });
    bus.unsubscribe({ kind: 'all' });
    bus.watchLog('/', 'r', rule);
    bus.unwatchLog('/', 'r', rule);
    const down = { code: 'ERR_ENGINE_DOWN', delivered: 'no' };
    await expect(bus.append('/', 'r', rule, new Uint8Array(1), {})).rejects.toMatchObject(down);
    await expect(bus.read('/', 'r', rule, {})).rejects.toMatchObject(down);
    await bus.close();
    await bus.close();
  });
});
