import { afterEach, describe, expect, test } from 'vitest';
import { type JoinedServer, joinedServers } from '../../test/support/joined-servers.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../client/index.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import { createServer, type SecondLogin, type ServerOptions } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function pair(secondLogin: SecondLogin, options: ServerOptions = {}): Promise<[JoinedServer, JoinedServer]> {
  const nodes = await joinedServers(2, { secondLogin, ...options });
  open.push(...nodes);
  return nodes as [JoinedServer, JoinedServer];
}

async function ada(urls: string | readonly string[], options: ConnectOptions = {}): Promise<ClientSocket> {
  const socket = await connect(urls, { user: 'ada', ...options });
  open.push(socket);
  return socket;
}

const over = (socket: ClientSocket): Promise<CloseReason> => new Promise((resolve) => socket.on('close', resolve));
const next = (socket: ClientSocket, event: 'up' | 'down'): Promise<void> =>
  new Promise((resolve) => socket.on(event, () => resolve()));
const codeOf = (waiting: Promise<unknown>): Promise<string> =>
  waiting.then(
    () => 'none',
    (error: HawserError) => error.code,
  );

/** The other node knows of the user's socket. */
async function known(node: JoinedServer, count = 1): Promise<void> {
  while ((await node.server.countUser('ada')) !== count) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function behindProxy({ url }: JoinedServer): Promise<CuttingProxy> {
  const { port = 0 } = parseEndpoint(url);
  const proxy = await CuttingProxy.open({ target: { port } });
  open.push(proxy);
  return proxy;
}

describe("secondLogin: 'replace'", () => {
  test('ends the earlier socket on whatever node it is, and its client stays away', async () => {
    const [near, far] = await pair('replace');
    const first = await ada(near.url);
    const ended = over(first);
    await known(far);
    const second = await ada(far.url);
    expect(await ended).toMatchObject({ code: 4511 });
    expect(await second.request('echo', 1)).toBe(1);
    await known(near);
    expect([near.sockets, far.sockets]).toEqual([0, 1]);
    expect([...near.reported, ...far.reported]).toEqual([]);
  });

  test('tells a client whose link was broken when it comes back, on whatever node', async () => {
    const [near, far] = await pair('replace');
    const proxy = await behindProxy(near);
    // After its first link it can dial only when the other device is in.
    let free = (): void => {};
    const isFree = new Promise<string>((resolve) => {
      free = () => resolve('t');
    });
    let attempts = 0;
    const token = (): string | Promise<string> => (attempts++ === 0 ? 't' : isFree);
    const urls = [`tcp://127.0.0.1:${proxy.port}`, far.url];
    const first = await ada(urls, { reconnect: { first: 1, most: 20 }, token });
    const ended = new Promise((resolve) => first.on('close', (_, error) => resolve(error?.code)));
    await known(far);
    const down = next(first, 'down');
    await proxy.close();
    await down;
    const second = await ada(far.url);
    await known(near);
    while (near.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    free();
    expect(await ended).toBe('ERR_LOGGED_IN_ELSEWHERE');
    expect(await second.request('echo', 2)).toBe(2);
  });

  test('is no second login when a client goes on by another node, and may come back to the first', async () => {
    const [near, far] = await pair('replace');
    const nodes = [near, far, near];
    const proxies = [await behindProxy(near), await behindProxy(far), await behindProxy(near)];
    const urls = proxies.map(({ port }) => `tcp://127.0.0.1:${port}`);
    const socket = await ada(urls, { reconnect: { first: 1, most: 20 } });
    for (const at of [0, 1]) {
      const up = next(socket, 'up');
      await Promise.all([known(near), known(far)]);
      await proxies[at]?.close();
      await up;
      expect(await socket.request('echo', at)).toBe(at);
      while (nodes[at]?.sockets !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(socket.state).toBe('up');
  });
});

describe("secondLogin: 'reject'", () => {
  test('refuses who is in on another node, in both dialects, and nobody else', async () => {
    const [near, far] = await pair('reject');
    const first = await ada(near.url);
    await known(far);
    expect(await codeOf(ada(far.url))).toBe('ERR_ALREADY_LOGGED_IN');
    const peer = await RawPeer.open(far.url, 'json', {});
    open.push(peer);
    peer.say({ event: 'hello', user: 'ada' });
    expect(await peer.error()).toBe('ERR_ALREADY_LOGGED_IN');
    const bob = await connect(far.url, { user: 'bob' });
    open.push(bob);
    expect([await first.request('echo', 1), await bob.request('echo', 2)]).toEqual([1, 2]);
  });

  test('lets in whose other socket has lost its link, which ends', async () => {
    const [near, far] = await pair('reject');
    const proxy = await behindProxy(near);
    const first = await ada(`tcp://127.0.0.1:${proxy.port}`, { reconnect: { first: 60_000 } });
    await known(far);
    const lost = new Promise<void>((resolve) =>
      near.server
        .of('/')
        .socketsOf('ada')[0]
        ?.on('down', () => resolve()),
    );
    proxy.cut();
    await lost;
    const second = await ada(far.url);
    expect(await second.request('echo', 1)).toBe(1);
    while (near.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.close();
  });

  test('lets a client go on by another node though the first takes its link for alive', async () => {
    const [near, far] = await pair('reject');
    const proxy = await behindProxy(near);
    const socket = await ada([`tcp://127.0.0.1:${proxy.port}`, far.url], {
      reconnect: { first: 1, most: 20 },
      times: { heartbeat: 200, readWait: 600, loginWait: 1000 },
    });
    await known(far);
    const up = next(socket, 'up');
    // The client finds out; the server hears nothing of it.
    proxy.hold();
    await up;
    expect(await socket.request('echo', 1)).toBe(1);
    while (near.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect([far.sockets, socket.state]).toEqual([1, 'up']);
  });

  test('keeps the earlier of two that come at once', async () => {
    const [near, far] = await pair('reject');
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.allSettled([ada(near.url), ada(far.url)]);
      const sockets = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      while (near.sockets + far.sockets !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
      const left = sockets.filter(({ state }) => state === 'up');
      expect(left.length).toBeGreaterThanOrEqual(1);
      for (const socket of sockets) await socket.close();
      await Promise.all([known(near, 0), known(far, 0)]);
    }
  });

  test('waits no longer than a second for a node that is silent', async () => {
    const [near, far] = await pair('reject');
    await ada(near.url);
    await known(far);
    near.bus.hold();
    const begun = performance.now();
    const second = await ada(far.url);
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(await second.request('echo', 1)).toBe(1);
    const ended = over(second);
    near.bus.release();
    // Both are there, and know of each other now.
    expect(await ended).toMatchObject({ code: 4510 });
    expect(near.sockets).toBe(1);
  });
});

describe('what nodes ask each other about logins', () => {
  test.each([
    { kind: 'login/1' },
    { kind: 'login/1', namespace: '/', user: 7 },
    { kind: 'login/1', namespace: '/', user: 'ada', proof: {} },
    { kind: 'login/1', namespace: '/', user: 'x'.repeat(1025) },
  ])('is refused without sense, %#', async (question) => {
    const [near, far] = await pair('reject');
    const first = await ada(far.url);
    const { engine } = near;
    const { answers, errors } = await engine.ask(question);
    expect([answers, errors]).toMatchObject([[], [{ error: { code: 'ERR_ARGUMENT' } }]]);
    expect(await first.request('echo', 1)).toBe(1);
  });

  test('is asked by nobody who is alone, nor where all may come in', async () => {
    const server = createServer({ secondLogin: 'reject', nameOneself: true });
    open.push({ [Symbol.asyncDispose]: () => server.close({ drain: 0 }) });
    await server.listen('inproc:alone');
    const first = await ada('inproc:alone');
    expect(await codeOf(ada('inproc:alone'))).toBe('ERR_ALREADY_LOGGED_IN');
    expect(first.state).toBe('up');
    const [near, far] = await pair('allow');
    await Promise.all([ada(near.url), ada(far.url)]);
    await known(near, 2);
    expect([near.sockets, far.sockets]).toEqual([1, 1]);
  });

  test('an engine that fails keeps nobody out, and is told', async () => {
    const [near, far] = await pair('reject');
    await ada(near.url);
    await known(far);
    const { engine } = far;
    engine.whereIs = () => Promise.reject(new Error('gone'));
    const second = await ada(far.url);
    expect(second.state).toBe('up');
    expect(far.reported.map(String)).toContain('Error: gone');
  });
});
