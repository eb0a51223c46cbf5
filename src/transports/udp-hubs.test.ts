import { readFileSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Papers } from '../../test/support/quic-peer.ts';
import { keyFiles } from '../../test/support/udpack-keys.ts';
import { type ClientSocket, connect } from '../client/index.ts';
import { createServer, type ListenTarget, type Server } from '../server/index.ts';

const papers = new Papers();
afterAll(() => papers[Symbol.dispose]());
const { privateFile, publicFile } = keyFiles();

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Nothing is read from a file: who listens at one moment takes the same steps in the same turns. */
const SIDES: readonly { scheme: string; at: (url: string) => ListenTarget; to: (url: string) => string }[] = [
  {
    scheme: 'udpack',
    at: (url) => ({ url, udpack: { key: readFileSync(privateFile) } }),
    to: (url) => `${url}?key=${publicFile}`,
  },
  {
    scheme: 'quic',
    at: (url) => ({ url, tls: { cert: papers.local.cert, key: papers.local.key } }),
    to: (url) => papers.to(url),
  },
];

/** A server that says its name. */
function named(name: string): Server {
  const server = keep(createServer());
  server.on('connection', (socket) => socket.handle('who', () => name));
  return server;
}

/** Of listeners at one moment: which of them listens, and why others don't. */
async function together(waiting: readonly Promise<unknown>[]): Promise<{ winners: number[]; codes: unknown[] }> {
  const outcomes = await Promise.allSettled(waiting);
  const winners = outcomes.flatMap(({ status }, at) => (status === 'fulfilled' ? [at] : []));
  const codes = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []));
  return { winners, codes };
}

describe.each(SIDES)('a port of $scheme: that its listener has left', ({ scheme, at, to }) => {
  const dial = async (url: string): Promise<ClientSocket> => keep(await connect(to(url)));

  /** The URL of a listener that has closed, and a link that it leaves. */
  async function left(): Promise<{ readonly url: string; readonly early: ClientSocket }> {
    const first = named('first');
    const [url = ''] = await first.listen(at(`${scheme}://127.0.0.1:0`));
    const early = await dial(url);
    await first.listeners[0]?.close();
    return { url, early };
  }

  test('is given to one of those who listen on it at one moment, and its links go on', async () => {
    const { url, early } = await left();
    const rivals = [named('0'), named('1'), named('2')];
    const { winners, codes } = await together(rivals.map((server) => server.listen(at(url))));
    expect(codes).toEqual(['ERR_ADDRESS_IN_USE', 'ERR_ADDRESS_IN_USE']);
    expect(winners.length).toBe(1);
    const late = await dial(url);
    expect([await early.request('who'), await late.request('who')]).toEqual(['first', String(winners[0])]);
    // Those who did not get it take nothing with them.
    for (const [number, rival] of rivals.entries()) if (number !== winners[0]) await rival.close();
    expect(await (await dial(url)).request('who')).toBe(String(winners[0]));
  });

  test('is free for the next one, once more, when that has left it too', async () => {
    const { url, early } = await left();
    for (const name of ['second', 'third']) {
      const server = named(name);
      await server.listen(at(url));
      const [listener] = server.listeners;
      expect(await (await dial(url)).request('who')).toBe(name);
      expect(listener?.stats).toMatchObject({ connections: 1, accepted: 1 });
      await listener?.close();
    }
    expect(await early.request('who')).toBe('first');
  });

  test('is bound by one alone when its last link has gone', async () => {
    const { url, early } = await left();
    await early.close();
    const rivals = [named('0'), named('1')];
    const { winners, codes } = await together(rivals.map((server) => server.listen(at(url))));
    expect(codes).toEqual(['ERR_ADDRESS_IN_USE']);
    expect(await (await dial(url)).request('who')).toBe(String(winners[0]));
  });
});
