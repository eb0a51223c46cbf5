import { afterEach, expect, test } from 'vitest';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { LANE, Outbound } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, End } from '../../testing/link-bench.ts';
import { type Link, parseEndpoint } from '../../transport/index.ts';
import { udpackTransport } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

interface Scene {
  readonly relay: UdpRelay;
  readonly client: End;
  /** Not started. */
  readonly server: Link;
}

/** Two ends of a link, with a relay between them. */
async function scene(): Promise<Scene> {
  const bench = keep(
    await Bench.open({
      api: { describe: () => {}, test: () => {}, expect },
      transport: udpackTransport,
      world: realWorld(),
      listenUrl: () => `udpack://127.0.0.1:0?key=${keyFiles().privateFile}`,
      deadUrl: () => '',
    }),
  );
  const relay = keep(await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(bench.url).port ?? 0 }));
  const accepted = bench.accepted();
  const client = new End(await bench.dialTo(`udpack://127.0.0.1:${relay.port}?key=${keyFiles().publicFile}`));
  return { relay, client, server: await accepted };
}

const message = (number: number, size = 1): Outbound => new Outbound(new Uint8Array(size).fill(number), false);

/** Loses the next datagram of the server, and resolves when that is done. */
async function loseNext(relay: UdpRelay): Promise<void> {
  const lost = relay.lost.down;
  relay.passes = (_, way) => way !== 'down' || relay.lost.down > lost;
  while (relay.lost.down === lost) await new Promise((resolve) => setImmediate(resolve));
}

async function heard(end: End, count: number): Promise<number[]> {
  const first: number[] = [];
  while (first.length < count) first.push((await end.bytes())[0] as number);
  return first;
}

test('the first message comes first, though it was lost and others came before it', async () => {
  const { relay, client, server } = await scene();
  const { link } = new End(server);
  link.send(message(0));
  await loseNext(relay);
  // What is small is said again in the datagrams that follow: those are lost too.
  for (const n of [1, 2, 3]) {
    link.send(message(n), LANE.none);
    await loseNext(relay);
  }
  link.send(message(4), LANE.none);
  link.send(message(5), 2);
  link.sendVolatile?.(message(6));
  const [first, ...others] = await heard(client, 7);
  expect(first).toBe(0);
  expect(others.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('later, what is in no lane passes what was lost', async () => {
  const { relay, client, server } = await scene();
  const { link } = new End(server);
  link.send(message(0));
  expect(await heard(client, 1)).toEqual([0]);
  client.link.send(message(1));
  await expect.poll(() => link.bytesRead).toBeGreaterThan(0);
  // Its ack, and that of the first message, may still be on their way.
  await expect
    .poll(async () => {
      const lost = loseNext(relay);
      link.send(message(1, 200_000));
      link.send(message(2), LANE.none);
      await lost;
      return await heard(client, 2);
    })
    .toEqual([2, 1]);
});

test('a link that is not started keeps what came, in the order of each lane', async () => {
  const { client, server } = await scene();
  client.link.send(message(0));
  for (let n = 1; n <= 9; n++) client.link.send(message(n), n <= 5 ? 1 : 3);
  client.link.endLane?.(1);
  client.link.ping?.();
  await expect.poll(() => client.pongs).toBe(1);
  const all = await heard(new End(server), 10);
  expect(all[0]).toBe(0);
  expect(all.filter((n) => n >= 1 && n <= 5)).toEqual([1, 2, 3, 4, 5]);
  expect(all.filter((n) => n > 5)).toEqual([6, 7, 8, 9]);
});

test('what went by lanes is heard before the goodbye', async () => {
  const { relay, client, server } = await scene();
  const end = new End(server);
  client.link.send(message(0));
  expect(await heard(end, 1)).toEqual([0]);
  relay.passes = (_, way) => way !== 'up' || relay.lost.up > 0;
  client.link.send(message(7, 100_000), 1);
  const closed = client.link.close({ code: 4321, reason: 'enough' });
  expect(await heard(end, 1)).toEqual([7]);
  expect(await end.end).toEqual({ code: 4321, reason: 'enough' });
  await closed;
  expect(end.waiting).toBe(0);
});
