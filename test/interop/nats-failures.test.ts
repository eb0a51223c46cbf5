import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, test } from 'vitest';
import type { Appended, HistoryRule, Subject } from '../../src/engine/index.ts';
import { Authority } from '../support/certificates.ts';
import { NatsOperator, nkeyUser } from '../support/nats-keys.ts';
import { type Nats, startNats } from '../support/nats-server.ts';
import { CuttingProxy } from '../support/proxy.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './nats-bus.ts';

const ROOM: Subject = { kind: 'room', namespace: '/', room: 'r' };
const RULE: HistoryRule = { name: '/ r*', size: 100, age: 60_000 };
const DOWN = { code: 'ERR_ENGINE_DOWN', delivered: 'no' };
const streamOf = async (nats: Nats): Promise<string> => (await nats.streams())[0] ?? '';

/** Says to whoever comes what a server of NATS would, or something else. */
async function impostor(words: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((socket) => {
    socket.write(words);
    socket.on('data', (said) => said.includes('PING') && socket.write('PONG\r\n'));
    socket.on('error', () => {});
    closing.push(() => socket.destroy());
  });
  const closing: (() => void)[] = [];
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const close of closing) close();
      server.close();
    },
  };
}

const append = (bus: HeardBus, word: string, id?: string): Promise<Appended> =>
  bus.bus.append('/', 'r', RULE, bytes(word), { id });

async function wordsSince(bus: HeardBus, since: Appended): Promise<unknown> {
  const read = await bus.bus.read('/', 'r', RULE, { since });
  return read.isWhole ? read.entries.map((entry) => text(entry.bytes)) : read.reason;
}

describe('the start', () => {
  test('fails in its time when nobody, nobody who speaks, or nobody who speaks NATS is there', async () => {
    await using frozen = await startNats();
    frozen.daemon.freeze();
    await using web = await impostor('HTTP/1.1 400 Bad Request\r\n\r\n');
    for (const servers of [
      'nats://127.0.0.1:1',
      frozen.url,
      web.url,
      'nats://nowhere.invalid',
      [frozen.url, web.url],
    ]) {
      const started = performance.now();
      await expect(HeardBus.start({ servers, connectWait: 600 })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
      expect(performance.now() - started).toBeLessThan(3000);
    }
  });

  test('finds the one of several that is there', async () => {
    await using nats = await startNats();
    await using bus = await HeardBus.start({ servers: ['nats://127.0.0.1:1', nats.url, 'nats://127.0.0.1:2'] });
    bus.bus.subscribe(ROOM);
    bus.bus.publish(ROOM, bytes('here'));
    await until(() => bus.heard.length === 1, 'it is heard');
    expect(bus.heard).toEqual(['here']);
  });

  test.each([{ user: 'ada', pass: 'secret' }, { token: 'secret' }])(
    'logs in with %j, and says what is wrong without telling secrets',
    async (login) => {
      await using nats = await startNats(login);
      await using bus = await HeardBus.start({ servers: nats.url, ...login });
      expect(bus.reported).toEqual([]);
      const words = login.user === undefined ? 'wrongsecret@' : 'ada:wrongsecret@';
      for (const servers of [nats.url, nats.url.replace('//', `//${words}`)]) {
        const error = await HeardBus.start({ servers }).catch((caught: unknown) => caught);
        expect(error).toMatchObject({ code: 'ERR_AUTH_FAILED' });
        expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('secret');
      }
    },
  );

  test('logs in by an nkey', async () => {
    const user = nkeyUser();
    await using nats = await startNats({ config: user.config });
    await using bus = await HeardBus.start({ servers: nats.url, nkey: user.seed });
    expect(bus.reported).toEqual([]);
    const error = await HeardBus.start({ servers: nats.url, nkey: nkeyUser().seed }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'ERR_AUTH_FAILED' });
    await expect(HeardBus.start({ servers: nats.url, nkey: 'SUNONSENSE' })).rejects.toThrow(
      expect.not.stringContaining('SUNONSENSE'),
    );
  });

  test('logs in by a file, and by what stands in it later', async () => {
    const operator = new NatsOperator();
    await using nats = await startNats({ config: operator.config });
    using folder = new Authority();
    const credentials = join(folder.folder, 'hawser.creds');
    writeFileSync(credentials, operator.credentials(Math.floor(Date.now() / 1000) + 2));
    await using bus = await HeardBus.start({ servers: nats.url, credentials });
    await until(() => bus.times('disconnected') > 0, 'it ran out');
    await until(
      () => bus.reported.some((error) => (error as { code?: string }).code === 'ERR_AUTH_FAILED'),
      'it is said',
    );
    writeFileSync(credentials, operator.credentials());
    bus.bus.subscribe(ROOM);
    // Within the second in which it ends the old login is taken once more, and then dropped once more.
    await until(() => {
      bus.bus.publish(ROOM, bytes('back'));
      return bus.heard.length > 0;
    }, 'it is back');
    expect(new Set(bus.heard)).toEqual(new Set(['back']));
  });

  test('speaks TLS, and to nobody whose certificate is not to be trusted', async () => {
    using authority = new Authority();
    await using nats = await startNats({ tls: authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1') });
    await using bus = await HeardBus.start({ servers: nats.url, tls: { ca: authority.ca } });
    bus.bus.subscribe(ROOM);
    bus.bus.publish(ROOM, bytes('safe'));
    await until(() => bus.heard.length === 1, 'it is heard');
    await expect(HeardBus.start({ servers: nats.url.replace('nats:', 'tls:') })).rejects.toMatchObject({
      code: 'ERR_TLS',
    });
    await using plain = await startNats();
    await expect(HeardBus.start({ servers: plain.url.replace('nats:', 'tls:') })).rejects.toMatchObject({
      code: 'ERR_TLS',
    });
  });
});

describe('what a server can not do', () => {
  test('without JetStream rooms have no history, and all else works', async () => {
    await using nats = await startNats();
    await using bus = await HeardBus.start({ servers: nats.url });
    const off = { code: 'ERR_UNSUPPORTED', message: expect.stringContaining('JetStream') };
    await expect(append(bus, 'x')).rejects.toMatchObject(off);
    await expect(bus.bus.read('/', 'r', RULE, {})).rejects.toMatchObject(off);
    bus.bus.watchLog('/', 'r', RULE);
    await until(() => bus.reported.length > 0, 'it is reported');
    expect(bus.reported[0]).toMatchObject(off);
    bus.bus.subscribe(ROOM);
    bus.bus.publish(ROOM, bytes('m'));
    await until(() => bus.heard.length === 1, 'it is heard');
  });

  test('history asks for nats-server 2.8.3', async () => {
    const info = { server_id: 'X', version: '2.8.2', proto: 1, headers: true, max_payload: 4096, jetstream: true };
    await using old = await impostor(`INFO ${JSON.stringify(info)}\r\n`);
    await using bus = await HeardBus.start({ servers: old.url });
    expect(bus.bus.payloadBytes).toBe(4096 - 512);
    await expect(append(bus, 'x')).rejects.toMatchObject({
      code: 'ERR_VERSION',
      message: expect.stringContaining('2.8.2'),
    });
  });

  test('an entry or message over its limit is refused', async () => {
    await using nats = await startNats({ jetstream: true, maxPayload: 2048 });
    await using bus = await HeardBus.start({ servers: nats.url });
    const { payloadBytes } = bus.bus;
    expect(payloadBytes).toBe(2048 - 512);
    await expect(append(bus, 'x'.repeat(payloadBytes), 'ä'.repeat(256))).resolves.toMatchObject({ isDuplicate: false });
    await expect(append(bus, 'x'.repeat(payloadBytes + 1))).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' });
    bus.bus.subscribe(ROOM);
    bus.bus.publish(ROOM, new Uint8Array(2049));
    bus.bus.publish(ROOM, bytes('small'));
    await until(() => bus.heard.length === 1, 'the other is heard');
    expect(bus.reported).toHaveLength(1);
  });
});

describe('a server that goes and comes', () => {
  test('with its data: what came meanwhile is read, and nothing is heard twice', async () => {
    await using nats = await startNats({ jetstream: true });
    await using bus = await HeardBus.start({ servers: nats.url });
    await using other = await HeardBus.start({ servers: nats.url });
    bus.bus.watchLog('/', 'r', RULE);
    bus.bus.subscribe(ROOM);
    const first = await append(bus, 'a');
    await until(() => bus.entries.length === 1, 'it is heard');
    await nats.daemon.stop('SIGKILL');
    await until(() => bus.times('disconnected') === 1 && other.times('disconnected') === 1, 'it is noticed');
    await expect(append(bus, 'x')).rejects.toMatchObject(DOWN);
    await expect(wordsSince(bus, first)).rejects.toMatchObject(DOWN);
    bus.bus.publish(ROOM, bytes('lost'));
    await nats.daemon.start();
    await until(() => bus.times('reconnected') === 1 && other.times('reconnected') === 1, 'they are back');
    await append(other, 'b');
    expect(await wordsSince(bus, first)).toEqual(['b']);
    await until(() => bus.entries.length === 2, 'the new one is heard');
    expect(bus.entries[1]).toMatchObject({ text: 'b', previous: first.offset, epoch: first.epoch });
    bus.bus.publish(ROOM, bytes('m'));
    await until(() => bus.heard.length === 1, 'subjects are heard');
    expect(bus.heard).toEqual(['m']);
  });

  test.each(['file', 'memory'] as const)('without its data, kept in %s: the log has another epoch', async (storage) => {
    await using nats = await startNats({ jetstream: true });
    const options = { servers: nats.url, history: { storage } };
    await using bus = await HeardBus.start(options);
    bus.bus.watchLog('/', 'r', RULE);
    const first = await append(bus, 'a');
    await append(bus, 'b');
    await nats.daemon.restart({ keepsData: storage === 'memory' });
    await until(() => bus.times('reconnected') >= 1, 'it is back');
    expect(await wordsSince(bus, first)).toBe('epoch');
    // A node that has seen nothing of the old one.
    await using fresh = await HeardBus.start(options);
    const again = await append(fresh, 'c');
    expect(again.epoch).not.toBe(first.epoch);
    await until(() => bus.texts.includes('c'), 'it is heard');
    expect(bus.entries.at(-1)?.epoch).toBe(again.epoch);
  });

  test('kept in memory: a node that begins after a restart takes the empty log for what it is', async () => {
    await using nats = await startNats({ jetstream: true });
    const options = { servers: nats.url, history: { storage: 'memory' } } as const;
    const bus = await HeardBus.start(options);
    const first = await append(bus, 'a');
    await bus.bus.close();
    await nats.daemon.restart();
    await using fresh = await HeardBus.start(options);
    expect(await wordsSince(fresh, first)).toBe('epoch');
  });

  test('an entry that was on its way when the line broke may be there', async () => {
    await using nats = await startNats({ jetstream: true });
    await using proxy = await CuttingProxy.open({ target: { port: nats.port } });
    await using bus = await HeardBus.start({ servers: `nats://127.0.0.1:${proxy.port}`, pingInterval: 300 });
    const first = await append(bus, 'a');
    proxy.hold();
    const waiting = append(bus, 'b', 'the id of b');
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    expect(bus.times('disconnected')).toBe(1);
    proxy.release();
    proxy.cut();
    await until(() => bus.times('reconnected') === 1, 'it is back');
    await append(bus, 'b', 'the id of b');
    expect(await wordsSince(bus, first)).toEqual(['b']);
  });

  test('an entry waits no longer for a frozen server than its caller wants to', async () => {
    await using nats = await startNats({ jetstream: true });
    await using bus = await HeardBus.start({ servers: nats.url, pingInterval: 60_000, answerWait: 1000 });
    const first = await append(bus, 'a');
    nats.daemon.freeze();
    await expect(append(bus, 'b')).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    await expect(wordsSince(bus, first)).rejects.toMatchObject(DOWN);
    const signal = AbortSignal.timeout(50);
    await expect(bus.bus.append('/', 'r', RULE, bytes('c'), { signal, timeout: 0 })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    nats.daemon.thaw();
    await append(bus, 'd');
    // Whether c was sent before its caller gave up is chance.
    expect(((await wordsSince(bus, first)) as string[]).filter((word) => word !== 'c')).toEqual(['b', 'd']);
  });

  test('what a frozen server does not take is bounded', async () => {
    await using nats = await startNats();
    await using bus = await HeardBus.start({ servers: nats.url, pingInterval: 60_000 });
    nats.daemon.freeze();
    const chunk = new Uint8Array(1_000_000);
    for (let i = 0; i < 100; i++) bus.bus.publish(ROOM, chunk);
    expect(bus.reported).toMatchObject([{ code: 'ERR_BACKLOG_FULL' }]);
    nats.daemon.thaw();
    bus.bus.subscribe(ROOM);
    await until(() => {
      bus.bus.publish(ROOM, bytes('again'));
      return bus.heard.includes('again');
    }, 'it goes on');
  });
});

describe('streams', () => {
  test('one of our name that is not ours is left alone, and named', async () => {
    await using nats = await startNats({ jetstream: true });
    const bus = await HeardBus.start({ servers: nats.url });
    await append(bus, 'a');
    const stream = await streamOf(nats);
    await using client = await connect({ servers: nats.url });
    const manager = await jetstreamManager(client);
    await manager.streams.delete(stream);
    await bus.bus.close();
    await manager.streams.add({ name: stream, subjects: ['orders.>'] });
    await using fresh = await HeardBus.start({ servers: nats.url });
    const named = { code: 'ERR_OPTION', message: expect.stringContaining(stream) };
    await expect(append(fresh, 'b')).rejects.toMatchObject(named);
    await manager.streams.delete(stream);
    await manager.streams.add({ name: 'greedy', subjects: ['hawser.>'] });
    await expect(append(fresh, 'c')).rejects.toMatchObject(named);
    await manager.streams.delete('greedy');
    await append(fresh, 'd');
  });

  test('one that was deleted is made again, and all who watch are told', async () => {
    await using nats = await startNats({ jetstream: true });
    await using bus = await HeardBus.start({ servers: nats.url });
    await using other = await HeardBus.start({ servers: nats.url });
    for (const one of [bus, other]) one.bus.watchLog('/', 'r', RULE);
    const first = await append(bus, 'a');
    await using client = await connect({ servers: nats.url });
    await (await jetstreamManager(client)).streams.delete(await streamOf(nats));
    const places = await Promise.all(['b', 'c', 'd'].map((word) => append(bus, word)));
    expect(places.map(({ offset }) => offset)).toEqual(places.map(({ offset }) => offset).toSorted((a, b) => a - b));
    expect(places[0]?.epoch).not.toBe(first.epoch);
    expect(bus.times('reconnected')).toBe(1);
    expect(await wordsSince(other, first)).toBe('epoch');
    await until(() => other.texts.at(-1) === 'd', 'they are heard');
    expect(other.entries.at(-1)?.epoch).toBe(places[0]?.epoch);
  });

  test('one that keeps other than it should is changed, or it is said that it can not be', async () => {
    await using nats = await startNats({ jetstream: true });
    const bus = await HeardBus.start({ servers: nats.url });
    const first = await append(bus, 'a');
    await bus.bus.close();
    await using fresh = await HeardBus.start({ servers: nats.url, history: { storage: 'memory' } });
    const rule = { ...RULE, size: 7, age: 3_600_000 };
    expect(await fresh.bus.read('/', 'r', rule, { since: first })).toMatchObject({ isWhole: true });
    await using client = await connect({ servers: nats.url });
    const { config } = await (await jetstreamManager(client)).streams.info(await streamOf(nats));
    expect(config).toMatchObject({ max_msgs_per_subject: 11, max_age: 7_200_000 * 1e6, storage: 'file' });
    expect(fresh.reported).toMatchObject([{ code: 'ERR_OPTION', message: expect.stringContaining('file') }]);
  });

  test('what others say at our subjects is named, and nothing ends', async () => {
    await using nats = await startNats({ jetstream: true });
    await using bus = await HeardBus.start({ servers: nats.url });
    bus.bus.watchLog('/', 'r', RULE);
    const first = await append(bus, 'a');
    await using client = await connect({ servers: nats.url });
    const key = (await streamOf(nats)).slice(-16);
    for (const word of ['x', 'y']) client.publish(`hawser.hawser.live.${key}.${first.epoch}./.r`, word);
    client.publish(`hawser.hawser.log.${key}.${first.epoch}./.r`, 'poison');
    await client.flush();
    await append(bus, 'b');
    await until(() => bus.texts.includes('b'), 'it goes on');
    // What is in the stream is for the engine to judge.
    expect(bus.texts).toEqual(['a', 'poison', 'b']);
    expect(bus.reported).toMatchObject([{ code: 'ERR_MESSAGE_MALFORMED' }]);
  });
});
