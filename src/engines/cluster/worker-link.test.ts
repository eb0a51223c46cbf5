import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { frame } from '../../../test/support/hub-cluster.ts';
import { Hub, type HubDoor } from './hub.ts';
import { HUB } from './limits.ts';
import { WorkerLink } from './worker-link.ts';

interface End {
  readonly link: WorkerLink;
  readonly door: HubDoor;
  readonly heard: string[];
}

/** A worker that has come to know the others. */
async function joined(hub: Hub, worker: number): Promise<End> {
  const door = hub.admit(worker);
  const link = new WorkerLink(worker, async () => door);
  const heard: string[] = [];
  link.onForwarded((from, bytes) => heard.push(`${from} ${Buffer.from(bytes).toString()}`));
  await expect.poll(() => link.workers()).toBeDefined();
  return { link, door, heard };
}

test('workers hear who lives, and each other, through the hub and then straight, in order', async () => {
  await using hub = await Hub.start();
  const [one, two] = [await joined(hub, 3), await joined(hub, 200)];
  await expect.poll(() => one.link.workers()).toEqual([3, 200]);
  const sent: string[] = [];
  // The hub carries what comes before the straight way is there.
  for (let round = 0; round < 40; round++) {
    for (let count = 0; count < 25; count++) {
      const text = `${round}.${count} ${'x'.repeat((round * 997) % 5000)}`;
      expect(one.link.forward(200, Buffer.from(text))).toBe(true);
      sent.push(`3 ${text}`);
    }
    await expect.poll(() => two.heard.length).toBe(sent.length);
  }
  expect(two.heard).toEqual(sent);
  two.link.forward(3, Buffer.from('back'));
  await expect.poll(() => one.heard).toEqual(['200 back']);
});

test('the straight way is not the hub', async () => {
  const hub = await Hub.start();
  const [one, two] = [await joined(hub, 0), await joined(hub, 1)];
  await expect.poll(() => one.link.workers()).toEqual([0, 1]);
  one.link.forward(1, Buffer.from('a'));
  // Straight from the second on, when it was dialled; the list is known though nobody adds to it any more.
  await expect
    .poll(() => {
      one.link.forward(1, Buffer.from('b'));
      return two.heard.length;
    })
    .toBeGreaterThan(3);
  const longest = Buffer.alloc(HUB.payloadBytes, 'z');
  expect(one.link.forward(1, longest)).toBe(true);
  await expect.poll(() => two.heard.at(-1)?.length).toBe(longest.length + 2);
  expect(one.link.forward(1, Buffer.alloc(HUB.payloadBytes + 1))).toBe(false);
  await hub.close();
  await expect.poll(() => one.link.workers()).toBeUndefined();
  expect(one.link.forward(1, Buffer.from('c'))).toBe(false);
});

test('who has ended is not forwarded to, and hears nothing of what comes late', async () => {
  await using hub = await Hub.start();
  const [one] = [await joined(hub, 0), await joined(hub, 1)];
  let looks = 0;
  const end = one.link.onWorkers(() => looks++);
  await expect.poll(() => one.link.workers()).toEqual([0, 1]);
  hub.dismiss(1);
  await expect.poll(() => one.link.workers()).toEqual([0]);
  expect(looks).toBeGreaterThan(0);
  expect(one.link.forward(1, Buffer.from('late'))).toBe(false);
  end();
  const before = looks;
  hub.admit(2);
  await expect.poll(() => one.link.workers()).toEqual([0, 2]);
  expect(looks).toBe(before);
});

test('what waits for a worker that does not read is bounded', async () => {
  await using hub = await Hub.start();
  const [one, two] = [await joined(hub, 0), await joined(hub, 1)];
  await expect.poll(() => one.link.workers()).toEqual([0, 1]);
  const bytes = Buffer.alloc(60_000);
  let taken = 0;
  while (taken < 1000 && one.link.forward(1, bytes)) taken++;
  expect(taken).toBeLessThan(2 + HUB.forwardBytes / bytes.length);
  // It is read now.
  await expect.poll(() => two.heard.length).toBe(taken);
  expect(one.link.forward(1, bytes)).toBe(true);
});

test.each([
  ['a wrong secret', frame(1, Buffer.alloc(33, 1))],
  ['a short one', frame(1, Buffer.alloc(20))],
  ['something else first', frame(22, Buffer.from('forged'))],
  ['an announced length beyond the limit', Buffer.from([0xff, 0xff, 0xff, 0x7f, 1])],
])('a worker hears nothing of who says %s', async (_, bytes) => {
  await using hub = await Hub.start();
  const { door, heard } = await joined(hub, 5);
  const stranger = connect(`${door.path}5`);
  stranger.on('error', () => {});
  await once(stranger, 'connect');
  stranger.write(Buffer.concat([bytes, frame(22, Buffer.from('forged'))]));
  await once(stranger.resume(), 'close');
  expect(heard).toEqual([]);
});
