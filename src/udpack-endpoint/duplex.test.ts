import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { Docks, type Pair } from '../../test/support/udpack.ts';
import { duplexOf, type UdpackStream } from './index.ts';

const BYTES: Buffer = randomBytes(3_000_000);
/** More than is taken without a wait. */
const LONG: Buffer = Buffer.alloc(20_000_000);
const chunks = (): Readable =>
  Readable.from(Array.from({ length: 30 }, (_, i) => BYTES.subarray(i * 1e5, (i + 1) * 1e5)));

/** Both ends of a stream of bytes. */
async function ends({ near, far }: Pair): Promise<[UdpackStream, UdpackStream]> {
  const arrived = new Promise<UdpackStream>((resolve) => far.once('stream', resolve));
  const stream = await near.openStream({ kind: 'bytes' });
  stream.send('!');
  return [stream, await arrived];
}

/** What a pipeline comes to: `done`, or the code that it fails with. */
function outcome(piped: Promise<unknown>): Promise<string> {
  return piped.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );
}

test('pipes both ways, to the end, as fast as the slower side', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair());
  const echo = duplexOf(other);
  const echoed = pipeline(echo, new PassThrough(), echo);
  const digest = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      digest.update(chunk);
      setImmediate(done);
    },
  });
  await Promise.all([pipeline(chunks(), duplexOf(stream), sink), echoed]);
  expect(digest.digest('hex')).toBe(createHash('sha256').update('!').update(BYTES).digest('hex'));
  expect([await stream.closed, await other.closed]).toEqual([undefined, undefined]);
});

test('memory that its writer uses again is sent as it was', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair());
  const out = duplexOf(stream);
  const same = Buffer.alloc(1000);
  for (let i = 0; i < 20; i++) await new Promise<unknown>((done) => out.write(same.fill(i), done));
  same.fill(99);
  out.end();
  const heard: Buffer[] = [];
  for await (const chunk of duplexOf(other)) heard.push(chunk as Buffer);
  const expected = Array.from({ length: 20 }, (_, i) => Buffer.alloc(1000, i));
  expect(Buffer.concat(heard).equals(Buffer.concat([Buffer.from('!'), ...expected]))).toBe(true);
});

test('nothing is read before somebody reads: the writer waits', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair({ limits: { streamWindow: 65_536 } }));
  const piped = outcome(pipeline(chunks(), duplexOf(stream)));
  const unread = duplexOf(other);
  await once(unread, 'readable');
  expect(unread.readableLength).toBeLessThan(BYTES.length);
  const read = outcome(pipeline(unread, new PassThrough().resume()));
  expect([await piped, await read]).toEqual(['done', 'done']);
});

test('a signal gives it up, on both sides', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair());
  const stop = new AbortController();
  const heard = outcome(pipeline(duplexOf(other), new PassThrough().resume()));
  const piped = outcome(pipeline(new PassThrough(), duplexOf(stream), { signal: stop.signal }));
  stop.abort();
  expect([await piped, await heard]).toEqual(['ABORT_ERR', 'ERR_CHANNEL_RESET']);
});

test('who wants no more stops its writer', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair());
  const piped = outcome(pipeline(Readable.from(endless()), duplexOf(stream)));
  const reader = duplexOf(other);
  await once(reader, 'readable');
  reader.destroy();
  expect(await piped).toBe('ERR_CHANNEL_RESET');
});

test('what its reader did not want is no success, also when it was all that there was', async () => {
  await using docks = new Docks();
  const [stream, other] = await ends(await docks.pair({ limits: { streamWindow: 65_536 } }));
  const piped = outcome(pipeline(Readable.from([LONG]), duplexOf(stream)));
  other.stop(3);
  expect(await piped).toBe('ERR_CHANNEL_RESET');
});

test('who waits for a write is told when it is given up, with and without a reason', async () => {
  await using docks = new Docks();
  const pair = await docks.pair({ limits: { streamWindow: 65_536 } });
  const enough = new Error('enough');
  for (const reason of [enough, undefined]) {
    const [stream, other] = await ends(pair);
    const writer = duplexOf(stream).on('error', () => {});
    const told: unknown[] = [];
    for (const chunk of [LONG, '!']) writer.write(chunk, (error) => told.push(error));
    const closed = new Promise((resolve) => writer.on('close', resolve));
    writer.destroy(reason);
    await closed;
    expect(told).toMatchObject([reason ?? { code: 'ERR_CHANNEL_RESET' }, expect.any(Error)]);
    other.end();
    expect(await other.closed).toMatchObject({ code: 'ERR_CHANNEL_RESET' });
  }
});

test('a session that ends is told to who reads and who writes', async () => {
  await using docks = new Docks();
  const pair = await docks.pair();
  const [stream, other] = await ends(pair);
  const piped = [
    pipeline(Readable.from(endless()), duplexOf(stream)),
    pipeline(duplexOf(other), new PassThrough().resume()),
  ];
  const outcomes = Promise.all(piped.map(outcome));
  await pair.near.abort(7, 'enough');
  expect(await outcomes).toEqual(['ERR_CLOSED', 'ERR_CLOSED']);
});

test('the end of a session is no error to who has written all, or read to the end', async () => {
  await using docks = new Docks();
  const pair = await docks.pair();
  const [stream, other] = await ends(pair);
  const [writer, reader] = [duplexOf(stream), duplexOf(other)];
  await Promise.all([pipeline(chunks(), writer), pipeline(reader, new PassThrough().resume())]);
  const closed = [writer, reader].map((one) => new Promise((resolve) => one.on('close', resolve)));
  await pair.near.close();
  await Promise.all(closed);
  expect([writer.errored, reader.errored]).toEqual([null, null]);
});

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield BYTES.subarray(0, 65_536);
}
