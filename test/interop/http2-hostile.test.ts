import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { createServer, type ListenTarget, type Server, type ServerOptions } from '../../src/index.ts';
import { python } from '../support/programs.ts';

const script = fileURLToPath(new URL('http2-hostile.py', import.meta.url));
/** RFC 9113 7. */
const CODE = {
  none: 0,
  protocol: 1,
  internal: 2,
  flow: 3,
  settingsTimeout: 4,
  size: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
};

interface Outcome {
  readonly closed: boolean;
  readonly goaway: number | null;
  readonly resets: readonly number[];
  /** Frames. */
  readonly sent: number;
}

/** A server, and a client that is to feel nothing. */
class Scene implements AsyncDisposable {
  readonly #server: Server;
  readonly #port: number;
  readonly #innocent: ClientSocket;

  static async open(target: Partial<ListenTarget> = {}, options: ServerOptions = {}): Promise<Scene> {
    const held: unknown[] = [];
    const server = createServer({
      ...options,
      onRequest: (request, response) => {
        if (request.url === '/big') response.end(Buffer.alloc(1_000_000));
        else if (request.url === '/held') held.push(response.writeHead(200).write('begun'));
        else if (request.url === '/sink') request.on('data', () => undefined);
        else response.end('ok');
      },
    });
    const [url = ''] = await server.listen({ url: 'http://127.0.0.1:0', ...target });
    const innocent = await connect(url.replace('http', 'ws'));
    return new Scene(server, Number(new URL(url).port), innocent);
  }

  constructor(server: Server, port: number, innocent: ClientSocket) {
    this.#server = server;
    this.#port = port;
    this.#innocent = innocent;
  }

  /** What came of an attack; while it goes on the other client is answered. */
  async attack(name: string): Promise<Outcome> {
    const { stdout } = await promisify(execFile)(python(), [script, String(this.#port), name], { timeout: 60_000 });
    const answer = await (await fetch(`http://127.0.0.1:${this.#port}/`)).text();
    if (this.#innocent.state !== 'up' || answer !== 'ok') throw new Error(`others felt '${name}'`);
    return JSON.parse(stdout) as Outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#innocent.close();
    await this.#server.close({ drain: 0 });
  }
}

/** What a flood may make the server hold, in bytes, of which most is what the test itself takes. */
const HELD = 64_000_000;

describe('a hostile peer over HTTP/2 loses its connection, and nobody else feels it:', () => {
  test.each([
    ['rapid-reset', 'RST_STREAM behind each request'],
    ['resets-by-fault', 'faults that make the server reset its streams'],
    ['sockets-reset', 'one WebSocket after the other, broken off'],
    ['settings-flood', 'SETTINGS without end'],
    ['ping-flood', 'PING without end'],
    ['unread-flood', 'PING without end, and no answer is read'],
    ['header-bomb', 'header blocks of bytes that mean four kilobytes each'],
    ['continuation-flood', 'CONTINUATION without end'],
    ['empty-frames', 'DATA without data'],
    ['window-overflow', 'a window beyond what there is'],
    ['garbage', 'bytes that are no frames'],
  ])('%s: %s', async (name) => {
    await using scene = await Scene.open();
    const before = process.memoryUsage().rss;
    const { closed, goaway } = await scene.attack(name);
    expect(closed).toBe(true);
    // It may be lost with what the peer has sent behind.
    expect([...Object.values(CODE), null]).toContain(goaway);
    expect(goaway).not.toBe(CODE.none);
    expect(process.memoryUsage().rss - before).toBeLessThan(HELD);
  });

  test.each([
    ['half-preface', 'the beginning of a beginning', undefined],
    ['no-request', 'SETTINGS and nothing more', CODE.none],
    ['half-headers', 'half a frame', CODE.none],
    ['unfinished-headers', 'headers without their end', CODE.none],
    ['large-frame', 'a frame of 16 MB', CODE.size],
    ['pushes', 'PUSH_PROMISE of a client', undefined],
  ])('%s: %s, within loginWait', async (name, _, code) => {
    await using scene = await Scene.open({}, { times: { loginWait: 1000, closeWait: 200 } });
    const { closed, goaway } = await scene.attack(name);
    expect(closed).toBe(true);
    if (code !== undefined) expect(goaway).toBe(code);
  });

  test('answers that nobody takes end after writeWait', async () => {
    await using scene = await Scene.open({ http2: { idle: 1000 } }, { times: { writeWait: 300, closeWait: 200 } });
    const { closed, resets } = await scene.attack('window-zero');
    expect(closed).toBe(true);
    expect(resets).toEqual(Array.from({ length: 10 }, () => CODE.cancel));
  });

  test('requests that never end are reset after requestWait', async () => {
    await using scene = await Scene.open({ http2: { requestWait: 300, idle: 1000 } });
    const { closed, resets } = await scene.attack('endless-streams');
    expect(closed).toBe(true);
    expect(resets).toEqual(Array.from({ length: 5 }, () => CODE.cancel));
  });

  test('streams over the bound are refused', async () => {
    await using scene = await Scene.open({ http2: { streams: 10, requestWait: 500, idle: 1000 } });
    const { closed, goaway } = await scene.attack('many-streams');
    expect(closed).toBe(true);
    expect(goaway).not.toBe(CODE.none);
  });

  test('SETTINGS that are never answered end the connection after loginWait, whatever is under way', async () => {
    await using scene = await Scene.open({}, { times: { loginWait: 1000 } });
    expect(await scene.attack('no-ack')).toMatchObject({ closed: true, goaway: CODE.settingsTimeout });
  });

  test('who asks for nothing more is sent away after idle', async () => {
    await using scene = await Scene.open({ http2: { idle: 1000 } }, { times: { closeWait: 200 } });
    expect(await scene.attack('idle')).toMatchObject({ closed: true, goaway: CODE.none, resets: [] });
  });

  test('one bomb costs its stream alone', async () => {
    await using scene = await Scene.open({ http2: { idle: 1000 } });
    expect(await scene.attack('one-bomb')).toMatchObject({ goaway: CODE.none, resets: [CODE.calm] });
  });

  test('headers that are too long cost their stream alone', async () => {
    await using scene = await Scene.open({ http2: { idle: 1000 } });
    expect(await scene.attack('long-headers')).toMatchObject({ goaway: CODE.none, resets: [CODE.calm] });
  });

  test('streams are turned away when what nobody takes is more than a connection may hold', async () => {
    await using scene = await Scene.open({ http2: { megabytes: 1, idle: 1000 } }, { times: { writeWait: 1000 } });
    const { resets } = await scene.attack('heavy-streams');
    expect(resets.filter((code) => code === CODE.calm).length).toBeGreaterThan(0);
  });

  test('a client that keeps to the rules is answered two hundred times on one connection', async () => {
    await using scene = await Scene.open();
    expect(await scene.attack('in-order')).toMatchObject({ closed: true, resets: [] });
  });
});
