import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import type { PortUser } from '../runtime/index.ts';
import { attach, detach } from './sockets.ts';

const open: { destroy(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.destroy();
});

/** Two ends of a connection. */
async function pair(): Promise<[ours: Socket, theirs: Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [ours] = (await once(server, 'connection')) as [Socket];
  server.close();
  open.push(ours, theirs);
  return [ours, theirs];
}

/** Keeps what it hears, and tells when it is so many bytes. */
class Listener implements PortUser {
  heard = '';
  #wanted = 0;
  #tell: () => void = () => {};

  receive(chunk: Uint8Array): void {
    this.heard += Buffer.from(chunk).toString();
    if (this.heard.length >= this.#wanted) this.#tell();
  }

  async hears(bytes: number): Promise<string> {
    this.#wanted = bytes;
    if (this.heard.length < bytes) await new Promise<void>((resolve) => (this.#tell = resolve));
    return this.heard;
  }

  writable(): void {}
  ended(): void {}
  gone(): void {}
}

test('what a socket reads goes straight to its user, and back to events when the socket is taken from him', async () => {
  const [ours, theirs] = await pair();
  const user = new Listener();
  attach(ours, user);
  const emit = vi.spyOn(ours, 'emit');
  theirs.write('one');
  expect(await user.hears(3)).toBe('one');
  // A version of Node whose sockets don't call `push` is seen by this alone: all the same is heard.
  expect(emit.mock.calls).not.toContainEqual(['data', expect.anything()]);
  detach(ours);
  const heard = once(ours, 'data');
  theirs.write('two');
  expect(String((await heard)[0])).toBe('two');
  expect(user.heard).toBe('one');
});

test('who listens to a socket besides its user hears the same', async () => {
  const [ours, theirs] = await pair();
  const user = new Listener();
  attach(ours, user);
  const heard = once(ours, 'data');
  theirs.write('one');
  expect(String((await heard)[0])).toBe('one');
  expect(await user.hears(3)).toBe('one');
});

test('a chunk that the stream hands on by itself reaches the user too', async () => {
  const [ours, theirs] = await pair();
  const user = new Listener();
  attach(ours, user);
  theirs.write('one');
  await user.hears(3);
  Readable.prototype.push.call(ours, Buffer.from('two'));
  expect(await user.hears(6)).toBe('onetwo');
});

test('a socket that pauses again and again hears all in order, and is kept from reading while it is paused', async () => {
  const [ours, theirs] = await pair();
  const text = Array.from({ length: 200_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const user = new Listener();
  let most = 0;
  const receive = user.receive.bind(user);
  user.receive = (chunk) => {
    receive(chunk);
    ours.pause();
    setImmediate(() => {
      most = Math.max(most, ours.readableLength);
      ours.resume();
    });
  };
  attach(ours, user);
  for (let at = 0; at < text.length; at += 10_000) theirs.write(text.slice(at, at + 10_000));
  expect(await user.hears(text.length)).toBe(text);
  expect(most).toBeLessThanOrEqual(ours.readableHighWaterMark + 65_536);
});
