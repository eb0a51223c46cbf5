import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import type { Channel } from '../channel/index.ts';
import { HawserError } from '../core/index.ts';
import { duplexOf } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Both ends of a channel over TCP. */
async function ends(): Promise<[Channel, Channel]> {
  const house = await House.open({}, 'tcp');
  open.push(house);
  const met = new Promise<Channel>((resolve) => {
    house.server.on('connection', (socket) => socket.on('channel', (channel) => resolve(channel)));
  });
  const client = await house.client('tcp');
  const channel = client.openChannel('bytes');
  return [channel, await met];
}

/** All that comes, without destroying the stream as iterators do. */
function textOf(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve(Buffer.concat(chunks).toString()));
    stream.on('error', reject);
  });
}

const CHUNKS = Array.from({ length: 100 }, (_, i) => Buffer.alloc(20_000, i));

test('pipes both ways, to the end', async () => {
  const [channel, theirs] = await ends();
  const echo = duplexOf(theirs);
  const echoed = pipeline(echo, new PassThrough(), echo);
  const got: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      got.push(chunk);
      setImmediate(done);
    },
  });
  await Promise.all([pipeline(Readable.from(CHUNKS), duplexOf(channel), sink), echoed]);
  expect(Buffer.compare(Buffer.concat(got), Buffer.concat(CHUNKS))).toBe(0);
  expect([await channel.closed, await theirs.closed]).toEqual([undefined, undefined]);
});

test('stays half open when one side has ended', async () => {
  const [channel, theirs] = await ends();
  const near = duplexOf(channel);
  const far = duplexOf(theirs);
  near.end('question');
  const answered = textOf(near);
  expect(await textOf(far)).toBe('question');
  far.end('answer');
  expect(await answered).toBe('answer');
});

test.each<[string, (near: ReturnType<typeof duplexOf>) => void, string]>([
  ['with an error of ours', (near) => near.destroy(new HawserError('ERR_FULL', 'no room')), 'ERR_FULL'],
  ['with any other error', (near) => near.destroy(new Error('secret')), 'ERR_CHANNEL_RESET'],
  ['without one', (near) => near.destroy(), 'ERR_CHANNEL_RESET'],
])('destroyed %s resets the channel', async (_, destroy, code) => {
  const [channel, theirs] = await ends();
  const near = duplexOf(channel);
  const far = duplexOf(theirs);
  near.on('error', () => {});
  const failed = new Promise<Error>((resolve) => far.on('error', resolve));
  far.resume();
  destroy(near);
  const error = await failed;
  expect(error).toMatchObject({ code });
  expect(error.message).not.toContain('secret');
  expect((await channel.closed)?.code).toBe(code);
});

test('the end of a socket is no error to who has written all and reads nothing', async () => {
  const [channel, theirs] = await ends();
  const near = duplexOf(channel);
  const read = textOf(duplexOf(theirs));
  await pipeline(Readable.from(['all', ' of it']), near);
  expect(await read).toBe('all of it');
  const closed = new Promise((resolve) => near.on('close', resolve));
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  await closed;
  expect(near.errored).toBe(null);
});
