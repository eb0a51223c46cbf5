import { readFileSync } from 'node:fs';
import { connect as dial } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { natsEngine } from '../../src/engines/nats/index.ts';
import { House } from '../support/house.ts';
import { type Nats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { bytes } from '../support/words.ts';
import { HeardBus } from './nats-bus.ts';

describe('servers that are joined by NATS', () => {
  let nats: Nats;
  let clusters = 0;
  beforeAll(async () => {
    nats = await startNats({ jetstream: true });
  });
  afterAll(() => nats[Symbol.asyncDispose]());

  /** Two nodes of a cluster of their own. */
  async function houses(): Promise<{ here: House; there: House; name: string } & AsyncDisposable> {
    const name = `s${++clusters}`;
    const [here, there] = await Promise.all(
      ['tcp', 'tcp'].map(() => House.open({ engine: natsEngine({ servers: nats.url, name }) }, 'tcp')),
    );
    if (here === undefined || there === undefined) throw new Error('no houses');
    return {
      here,
      there,
      name,
      async [Symbol.asyncDispose]() {
        await Promise.all([here, there].map((house) => house[Symbol.asyncDispose]()));
      },
    };
  }

  test('have one room', async () => {
    await using both = await houses();
    const [ada, bob] = [await both.here.client('tcp'), await both.there.client('tcp')];
    const heard: unknown[] = [];
    bob.on('say', (data) => heard.push(data));
    await until(() => {
      ada.send('say', 'hello');
      return heard.length > 0;
    }, 'it crosses');
    expect(heard[0]).toBe('hello');
  });

  test('publish what another program pushes, once, and answer it', async () => {
    await using both = await houses();
    const clients = [await both.here.client('tcp'), await both.there.client('tcp')];
    const heard = clients.map((client) => {
      const said: unknown[] = [];
      client.on('price', (data) => said.push(data));
      return said;
    });
    await using pusher = await dial({ servers: nats.url });
    const push = async (text: string): Promise<unknown> =>
      (await pusher.request(`hawser.${both.name}.push`, text)).json();
    for (let i = 0; i < 10; i++) {
      expect(await push(JSON.stringify({ room: 'hall', event: 'price', data: i }))).toMatchObject({ ok: true });
    }
    await until(() => heard.every((said) => said.length >= 10), 'all came');
    for (const said of heard)
      expect(said.toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await push('{')).toMatchObject({ ok: false, error: { code: 'ERR_MESSAGE_MALFORMED' } });
    expect(await push('{"event":""}')).toMatchObject({ ok: false, error: { code: expect.stringMatching(/^ERR_/) } });
    expect([...both.here.reported, ...both.there.reported].length).toBeGreaterThan(0);
  });

  test('need no more permissions than docs/guides/nats.md lists, and are told what they lack', async () => {
    const guide = readFileSync(new URL('../../docs/guides/nats.md', import.meta.url), 'utf8');
    const [, config = ''] = /```conf\n(authorization \{[\s\S]+?\n\})\n```/.exec(guide) ?? [];
    expect(config).toContain('hawser');
    await using strict = await startNats({ jetstream: true, config });
    const rule = { name: '/ r', size: 5, age: 1000 };
    await using node = await HeardBus.start({ servers: strict.url, user: 'hawser', pass: 'change me' });
    node.bus.watchLog('/', 'r', rule);
    node.bus.subscribe({ kind: 'all' });
    const first = await node.bus.append('/', 'r', rule, bytes('a'), { id: 'a' });
    await node.bus.append('/', 'r', rule, bytes('b'), {});
    node.bus.publish({ kind: 'all' }, bytes('m'));
    expect(await node.bus.read('/', 'r', rule, { since: first })).toMatchObject({ isWhole: true, entries: [{}] });
    await until(() => node.heard.length === 1 && node.texts.length === 2, 'all is heard');
    await using pusher = await dial({ servers: strict.url, user: 'shop', pass: 'change me too' });
    expect((await pusher.request('hawser.hawser.push', '{}')).string()).toBe('answer to {}');
    expect(node.reported).toEqual([]);
    await using stranger = await HeardBus.start({ servers: strict.url, user: 'shop', pass: 'change me too' });
    stranger.bus.subscribe({ kind: 'all' });
    await until(() => stranger.reported.length > 0, 'it is refused');
    expect(stranger.reported[0]).toMatchObject({ code: 'ERR_NOT_ALLOWED' });
    await expect(stranger.bus.append('/', 'r', rule, bytes('x'), {})).rejects.toMatchObject({
      code: 'ERR_NOT_ALLOWED',
    });
  });
});
