import { describe, expect, test } from 'vitest';
import type { RelayApi } from '../../src/cli/relay.ts';
import { connect } from '../../src/client/index.ts';
import { Terminal } from '../support/example.ts';
import { startNats } from '../support/nats-server.ts';
import { startRedis } from '../support/redis-server.ts';
import { ROOT, textOf } from '../support/tree.ts';
import { Served } from './served.ts';

const guide = textOf('docs/guides/clustering.md');
const [withNats = '', outside = '', withRedis = ''] = [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(
  ([, text = '']) => text,
);

/** The commands of `hawser` in a block of the guide, in their order. */
function commandsOf(block: string): string[][] {
  return block
    .split('\n')
    .filter((line) => line.startsWith('npx hawser '))
    .map((line) => wordsOf(line.replace(/^npx hawser /, '').replace(/ &$/, '')));
}

/** As a shell takes them apart; only single quotes are used. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** Types a block into processes, with free ports for those of the guide. */
async function follow(block: string, more: string, engine: string, url: string): Promise<string> {
  const [one = [], two = [], tail = [], emit = []] = commandsOf(block.replaceAll(engine, url));
  const [push = []] = commandsOf(more.replaceAll(engine, url));
  const start = (words: readonly string[]): Promise<Served> => {
    const at = words.indexOf('--listen');
    expect([words[0], words[at + 1]]).toEqual(['serve', expect.stringMatching(/^ws:/)]);
    return Served.start(
      ['ws://127.0.0.1:0'],
      words.slice(1).filter((_, i) => i !== at - 1 && i !== at),
    );
  };
  await using first = await start(one);
  await using second = await start(two);
  const at = (served: Served): string => `ws://127.0.0.1:${served.port('ws')}`;
  await using listener = new Terminal(shellOf(tail.map((word) => word.replace('ws://127.0.0.1:3000', at(first)))));
  await isThere(at(second));
  const said = new Terminal(shellOf(emit.map((word) => word.replace('ws://127.0.0.1:4000', at(second)))));
  expect(await said.exit()).toBe(0);
  await listener.shows(/hello from two/);
  if (push.length === 0) return listener.shown;
  expect(await new Terminal(shellOf(push)).exit()).toBe(0);
  await listener.shows(/hello from outside/);
  return listener.shown;
}

/** Waits until a node knows that somebody is in the room, on whatever node. */
async function isThere(url: string): Promise<void> {
  const socket = await connect<RelayApi>(url);
  for (let total = 0; total === 0; ) ({ total } = await socket.request('presence', { room: 'lobby' }));
  await socket.close();
}

const shellOf = (words: readonly string[]): string =>
  `node ${ROOT}/dist/cli/main.js ${words.map((word) => `'${word}'`).join(' ')}`;

describe('two nodes in five minutes', () => {
  test('with NATS', async () => {
    await using nats = await startNats({ jetstream: true });
    const shown = await follow(withNats, outside, 'nats://127.0.0.1:4222', nats.url);
    expect(shown).toContain('"offset"');
  });

  test('with Redis', async () => {
    await using redis = await startRedis();
    const shown = await follow(withRedis, '', 'redis://127.0.0.1:6379', redis.url);
    expect(shown).toContain('"offset"');
  });
});
