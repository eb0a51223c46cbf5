import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, Docks, KEYS, portOf, streamOf } from '../../test/support/udpack.ts';
import { generateKeys } from './keys.ts';
import { Qlog } from './qlog.ts';
import { UDPack } from './udpack.ts';

interface Entry {
  readonly time?: number;
  readonly group_id?: string;
  readonly name?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-qlog-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The records of JSON-SEQ, RFC 7464. */
function recordsOf(text: string): Entry[] {
  expect(text.startsWith('\u001e')).toBe(true);
  const records = text.slice(1).split('\u001e');
  for (const record of records) expect(record.endsWith('\n')).toBe(true);
  return records.map((record) => JSON.parse(record) as Entry);
}

test('an endpoint writes what happens in each of its sessions', async () => {
  const { privateKey: prikey, publicKey: pubkey } = generateKeys();
  const own = new PassThrough();
  await using server = await new UDPack({ prikey, qlog: join(folder, 'server') }).ready();
  await using client = await new UDPack({ pubkey, qlog: own }).ready();
  server.on('stream', (stream) => void stream.resume());
  const port = server.endpoint?.port ?? 0;
  for (const code of [1, 2]) {
    const session = await client.connect({ port });
    const stream = await session.openStream();
    await stream.write('x'.repeat(10_000));
    await session.close(code);
  }
  await client.close();
  await server.close();

  const [file = ''] = readdirSync(join(folder, 'server'));
  expect(file).toBe(`udpack-${port}-${process.pid}.sqlog`);
  const there = recordsOf(readFileSync(join(folder, 'server', file), 'utf8'));
  // A stream that was given stays open.
  expect(own.writableEnded).toBe(false);
  const here = recordsOf(String(own.read()));
  for (const [[head, ...events], owner] of [
    [there, 'remote'],
    [here, 'local'],
  ] as const) {
    expect(head).toMatchObject({ qlog_format: 'JSON-SEQ', qlog_version: '0.3' });
    for (const group of ['1', '2']) {
      const of = events.filter(({ group_id }) => group_id === group);
      const names = new Set(of.map(({ name }) => name));
      for (const name of ['transport:packet_sent', 'transport:packet_received', 'recovery:metrics_updated']) {
        expect(names).toContain(name);
      }
      const end = of.find(({ name }) => name === 'connectivity:connection_closed');
      expect(end?.data).toEqual({ owner, application_code: Number(group) });
      for (const { time } of of) expect(time).toBeGreaterThanOrEqual(0);
    }
  }
});

test('a stream that takes no more loses records, and is told how many', async () => {
  const taken: string[] = [];
  const waiting: (() => void)[] = [];
  const slow = new Writable({
    highWaterMark: 1,
    decodeStrings: false,
    write(text: string, _encoding, done) {
      taken.push(text);
      waiting.push(done);
    },
  });
  const qlog = new Qlog(slow, 'x', 0);
  for (let at = 0; at < 5; at++) qlog.event('transport:packet_sent', {}, at, '1');
  expect(taken).toHaveLength(1);
  const drained = once(slow, 'drain');
  waiting.shift()?.();
  await drained;
  qlog.event('transport:packet_sent', {}, 6, '1');
  expect(taken[1]).toContain('5 events were left out');
});

test('a disk that fails ends nothing', async () => {
  let writes = 0;
  const broken = new Writable({
    write(_bytes, _encoding, done) {
      writes++;
      done(new Error('full'));
    },
  });
  const qlog = new Qlog(broken, 'x', 0);
  await new Promise((resolve) => void broken.once('close', resolve));
  qlog.event('transport:packet_sent', {}, 1, '1');
  await qlog.close();
  expect(writes).toBe(1);
});

test('no secret is in it: neither tokens, nor keys, nor what was said', async () => {
  const own = new PassThrough({ highWaterMark: 2 ** 24 });
  const token = 'a token that nobody else should see';
  const said = 'words between two alone';
  await using docks = new Docks();
  const server = await docks.server({ qlog: own, authToken: (shown) => shown === token });
  const client = await docks.client({ qlog: own, token });
  const pair = await docks.join(server, client);
  const { out, into } = await streamOf(pair);
  into.resume();
  await out.write(said);
  pair.near.sendDatagram(said);
  await codeOf(client.connect({ port: portOf(server), token: 'another that is wrong' }));
  await pair.near.close(1, 'done');
  const text = String(own.read());
  expect(recordsOf(text).length).toBeGreaterThan(10);
  const { d = '' } = createPrivateKey(KEYS.privateKey).export({ format: 'jwk' });
  const secrets = [token, said, 'another that is wrong'].map((word) => Buffer.from(word));
  for (const secret of [...secrets, Buffer.from(d, 'base64url')]) {
    for (const form of ['utf8', 'hex', 'base64', 'base64url'] as const) {
      expect(text).not.toContain(secret.toString(form).replace(/=+$/, ''));
    }
  }
});

test('bytes are written in hex, what is without end as null, and no text breaks a record', () => {
  const own = new PassThrough();
  const qlog = new Qlog(own, 'x', 1000);
  qlog.event('seen', { id: Uint8Array.of(1, 0xff), rate: Number.POSITIVE_INFINITY, text: 'a\nb\u001e' }, 1500, '7');
  const text = String(own.read());
  expect(text.split('\n')).toHaveLength(3);
  expect(recordsOf(text)[1]).toEqual({
    time: 500,
    group_id: '7',
    name: 'seen',
    data: { id: '01ff', rate: null, text: 'a\nb\u001e' },
  });
});

test('a folder that can not be made: the endpoint says so, and takes no port', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await using docks = new Docks();
  const first = await docks.server();
  const port = portOf(first);
  await first.close();
  await expect(docks.make({ port, qlog: join(file, 'inside') }).ready()).rejects.toMatchObject({
    code: 'ERR_FILE_UNWRITABLE',
    message: expect.stringContaining('ENOTDIR'),
  });
  expect(portOf(await docks.server({ port }))).toBe(port);
});
