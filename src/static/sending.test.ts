import { once } from 'node:events';
import { appendFileSync, readdirSync, readlinkSync, rmSync, truncateSync } from 'node:fs';
import { request } from 'node:http';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { StaticServers, Tree, VERSIONS, type Version } from '../../test/support/static-servers.ts';
import { type StaticOptions, serveFiles } from './index.ts';

const MIB = 1024 * 1024;
/** More than sockets and streams hold on the way. */
const HUGE = Buffer.alloc(48 * MIB, 'x');

let tree: Tree;
let servers: StaticServers;

afterEach(async () => {
  await servers[Symbol.asyncDispose]();
  tree[Symbol.dispose]();
});

async function open(files: Readonly<Record<string, string | Uint8Array>>, options?: StaticOptions): Promise<void> {
  tree = new Tree(files);
  servers = await StaticServers.open(serveFiles(tree.root, options));
}

/** Descriptors of this process that lead into the folder. */
function opened(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(tree.root);
    } catch {
      return false;
    }
  }).length;
}

/** A download that reads nothing until it is told to, and then counts. */
interface Download {
  status: number;
  length: number;
  /** Bytes that came, and whether it ended as it should. */
  finish(): Promise<{ readonly bytes: number; readonly isWhole: boolean }>;
  abandon(): void;
}

async function download(version: Version, path: string): Promise<Download> {
  return version === 'HTTP/2' ? await download2(path) : await download1(path);
}

async function download1(path: string): Promise<Download> {
  const asked = request({ port: servers.port('HTTP/1.1'), host: '127.0.0.1', path, agent: false }).end();
  asked.on('error', () => {});
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  response.on('error', () => {});
  let bytes = 0;
  return {
    status: response.statusCode ?? 0,
    length: Number(response.headers['content-length']),
    finish: async () => {
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      await new Promise((resolve) => response.on('close', resolve));
      return { bytes, isWhole: response.complete };
    },
    abandon: () => asked.destroy(),
  };
}

async function download2(path: string): Promise<Download> {
  const stream = servers.session().request({ ':path': path });
  stream.on('error', () => {});
  const [head] = (await once(stream, 'response')) as [Record<string, string>];
  let bytes = 0;
  return {
    status: Number(head[':status']),
    length: Number(head['content-length']),
    finish: async () => {
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
      await new Promise((resolve) => stream.on('close', resolve));
      return { bytes, isWhole: stream.rstCode === 0 };
    },
    abandon: () => stream.close(constants.NGHTTP2_CANCEL),
  };
}

describe.each(VERSIONS)('over %s', (version) => {
  test('a file that is deleted while it is sent is sent to its end', async () => {
    await open({ huge: HUGE });
    const one = await download(version, '/huge');
    expect([one.status, one.length]).toEqual([200, HUGE.length]);
    rmSync(tree.path('huge'));
    expect(await one.finish()).toEqual({ bytes: HUGE.length, isWhole: true });
    expect((await servers.ask(version, '/huge')).status).toBe(404);
  });

  test('of a file that grows while it is sent comes as much as was announced', async () => {
    await open({ huge: HUGE });
    const one = await download(version, '/huge');
    appendFileSync(tree.path('huge'), 'more');
    expect(await one.finish()).toEqual({ bytes: HUGE.length, isWhole: true });
  });

  test('who is sent a file that becomes shorter learns that it is not whole', async () => {
    await open({ huge: HUGE, other: 'fine' });
    const one = await download(version, '/huge');
    truncateSync(tree.path('huge'), 20 * MIB);
    const { bytes, isWhole } = await one.finish();
    expect(bytes).toBeLessThan(HUGE.length);
    expect(isWhole).toBe(false);
    expect((await servers.ask(version, '/other')).text).toBe('fine');
    await expect.poll(opened).toBe(0);
  });

  test('readers of one file share a descriptor, and the last one closes it', async () => {
    await open({ huge: HUGE });
    const all = await Promise.all(Array.from({ length: 8 }, () => download(version, '/huge')));
    expect(opened()).toBe(1);
    for (const one of all.slice(1)) one.abandon();
    expect(await all[0]?.finish()).toEqual({ bytes: HUGE.length, isWhole: true });
    await expect.poll(opened).toBe(0);
  });

  test('clients that go away leave nothing open, and take nothing from those who stay', async () => {
    await open({ huge: HUGE });
    const staying = await download(version, '/huge');
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(Array.from({ length: 10 }, () => download(version, '/huge')));
      for (const one of all) one.abandon();
    }
    globalThis.gc?.();
    expect(await staying.finish()).toEqual({ bytes: HUGE.length, isWhole: true });
    await expect.poll(opened).toBe(0);
  });

  test('more files than may be open wait, and are answered with 503 in the end', async () => {
    const files = { a: HUGE, b: HUGE, c: HUGE, small: 'small' };
    await open(files, { openFiles: 2, openWait: 1000 });
    // What was written a moment ago is in another state once that is sure, and shares nothing with the one before.
    await expect.poll(async () => (await servers.ask(version, '/small')).headers['etag']).toMatch(/^"/);
    const [a, b] = [await download(version, '/a'), await download(version, '/b')];
    const late = await servers.ask(version, '/c');
    expect(late).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(opened()).toBe(2);
    // Who asks for one that is open needs no other.
    const again = await download(version, '/a');
    expect(again.status).toBe(200);
    const waiting = [download(version, '/c'), download(version, '/c')];
    b.abandon();
    const served = await Promise.all(waiting);
    expect(served.map(({ status }) => status)).toEqual([200, 200]);
    for (const one of [a, again, ...served]) one.abandon();
    await expect.poll(opened).toBe(0);
  });
});

test('a client that goes away before the answer costs nothing', async () => {
  await open({ huge: HUGE });
  for (let round = 0; round < 50; round++) {
    const socket = connect(servers.port('HTTP/1.1'), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /huge HTTP/1.1\r\nhost: x\r\n\r\n', () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  await expect.poll(opened).toBe(0);
});

describe('requests that are sent behind others', () => {
  const GET = (path: string): string => `GET /${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

  test('leave nothing open when their client goes away', async () => {
    await open({ huge: HUGE, other: HUGE });
    const socket = connect(servers.port('HTTP/1.1'), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(GET('huge') + GET('other'));
    await expect.poll(opened).toBe(1);
    await servers.ask('HTTP/1.1', '/nothing');
    socket.destroy();
    await expect.poll(opened).toBe(0);
  });

  test('are answered in their turn', async () => {
    await open({ huge: HUGE, other: Buffer.alloc(MIB, 'y') });
    const socket = connect(servers.port('HTTP/1.1'), '127.0.0.1');
    socket.write(GET('huge') + GET('other') + GET('other').replace('host', 'connection: close\r\nhost'));
    let [x, y] = [0, 0];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (chunk.at(-1) === 0x78) x += chunk.length;
      else if (chunk.at(-1) === 0x79) y += chunk.length;
    }
    expect([x > HUGE.length - MIB, y >= MIB]).toEqual([true, true]);
    await expect.poll(opened).toBe(0);
  });
});
