import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Outgoing } from './outgoing.ts';

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Two ends of a connection. */
async function pair(): Promise<readonly [Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const came = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const far = await came;
  server.close();
  ends.push(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

function read(socket: Socket): { readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  return { bytes: () => Buffer.concat(chunks) };
}

test('what is claimed and what is pushed leaves in its order, in one write a turn', async () => {
  const [near, far] = await pair();
  const came = read(far);
  const out = new Outgoing(near, 1 << 30, () => {});
  const expected: Buffer[] = [];
  for (let n = 0; n < 200; n++) {
    const bytes = Buffer.alloc((n * 997) % 20_000, n);
    expected.push(bytes);
    if (n % 2 === 0) out.push(bytes);
    else {
      const at = out.claim(bytes.length);
      out.memory.set(bytes, at);
    }
    if (n % 40 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const all = Buffer.concat(expected);
  await expect.poll(() => came.bytes().length).toBe(all.length);
  expect(Buffer.compare(came.bytes(), all)).toBe(0);
  expect(out.bytes).toBe(0);
});

test('nothing that is not written yet is written over', async () => {
  const [near, far] = await pair();
  far.pause();
  const out = new Outgoing(near, 1 << 30, () => {});
  let total = 0;
  for (let n = 0; n < 5000; n++) {
    const length = 1000 + (n % 100);
    const at = out.claim(length);
    out.memory.fill(n % 256, at, at + length);
    total += length;
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const came = read(far);
  far.resume();
  await expect.poll(() => came.bytes().length).toBe(total);
  const all = came.bytes();
  let at = 0;
  for (let n = 0; n < 5000; n++) {
    const length = 1000 + (n % 100);
    const piece = all.subarray(at, at + length);
    if (!piece.every((byte) => byte === n % 256)) expect.fail(`piece ${n} is another's`);
    at += length;
  }
});

test('more than may wait is told once, and dropped', async () => {
  const [near, far] = await pair();
  far.pause();
  let overflows = 0;
  const out = new Outgoing(near, 1_000_000, () => (overflows += 1));
  for (let n = 0; n < 100; n++) out.push(new Uint8Array(100_000));
  for (let n = 0; n < 100; n++) out.claim(50_000);
  expect(overflows).toBe(1);
  expect(out.bytes).toBeLessThanOrEqual(1_000_000);
});

test('who finishes writes what waits', async () => {
  const [near, far] = await pair();
  const came = read(far);
  const ended = new Promise((resolve) => far.once('end', resolve));
  const out = new Outgoing(near, 1 << 30, () => {});
  out.push(new Uint8Array(3_000_000));
  out.finish();
  await ended;
  expect(came.bytes().length).toBe(3_000_000);
});
