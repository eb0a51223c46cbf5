import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { newPublisher } from '../../test/support/lan-line.ts';
import type { SubscriberEvent } from '../lan/index.ts';
import { openLan } from './index.ts';
import { EVENTS_MOST, LanDriver } from './lan-driver.ts';
import { resolveLanOptions } from './lan-options.ts';
import { planOf } from './plan.ts';
import type { Port, PortHandler } from './port.ts';
import { parseUdpUrl } from './udp-url.ts';

const FROM: RemoteInfo = { address: '127.0.0.1', port: 4000, family: 'IPv4', size: 0 };

/** A driver that listens, and what brings it datagrams. */
function newDriver(): { driver: LanDriver; bring: (bytes: Uint8Array) => void; told: string[] } {
  const url = parseUdpUrl('udp://127.0.0.1:4001');
  const options = resolveLanOptions(url, {});
  let handler: PortHandler | undefined;
  const port = {
    address: { address: '127.0.0.1', port: 4001 },
    start: (given: PortHandler) => (handler = given),
    close: () => Promise.resolve(),
  } as unknown as Port;
  const told: string[] = [];
  const plan = planOf(url, '127.0.0.1', options, networkInterfaces());
  const ports = { mouth: port, ear: port, isOwn: () => false };
  const onEvent = (event: { readonly type: SubscriberEvent['type'] | 'drain' }): void => void told.push(event.type);
  const driver = new LanDriver(plan, ports, options, { onEvent, onError: () => {} });
  return { driver, bring: (bytes) => handler?.onDatagram(bytes, FROM), told };
}

test('what comes faster than it can be told is lost, as on the way, and costs no memory', async () => {
  const { driver, bring, told } = newDriver();
  const subscriber = driver.makeSubscriber('now', () => true);
  const publisher = newPublisher({ door: 0, limits: { datagramBytes: 60_000 } });
  for (let at = 0; at < 300_000; at++) {
    publisher.publish('a', null, 0);
    if (at % 14_000 === 0) for (let sent = publisher.poll(0); sent; sent = publisher.poll(0)) bring(sent.bytes);
  }
  expect(subscriber.waiting).toBeGreaterThan(EVENTS_MOST);
  expect(subscriber.waiting).toBeLessThan(EVENTS_MOST + 30_000);
  while (subscriber.waiting > 0) await new Promise((resolve) => void setImmediate(resolve));
  publisher.publish('b', null, 0);
  bring(publisher.poll(0)?.bytes as Uint8Array);
  expect(subscriber.stats().publishers).toBe(1);
  expect(new Set(told)).toEqual(new Set(['publisher', 'message']));
  await driver.stop();
});

test('a bus does not hear itself, also from an address that this machine has got since', async () => {
  const { driver, bring, told } = newDriver();
  const subscriber = driver.makeSubscriber('now', () => true);
  const publisher = driver.makePublisher();
  publisher.publish('a', 1, performance.now());
  bring(publisher.poll(performance.now())?.bytes as Uint8Array);
  expect(subscriber.stats()).toMatchObject({ datagrams: 1, publishers: 0, strangers: 0, faults: {} });
  expect(told).toEqual([]);
  await driver.stop();
});

test('a process that stood still reads what has come before it calls anybody silent', async () => {
  await using bus = await openLan('udp://127.0.0.1:0', { times: { silence: 200 } });
  const told: string[] = [];
  bus.on('end', ({ reason }) => told.push(reason));
  const hear = (): Promise<unknown> =>
    new Promise((resolve) => bus.once('message', ({ data }) => resolve(told.push(String(data)))));
  const publisher = newPublisher({ door: 0 });
  const socket = createSocket('udp4');
  socket.connect(Number(new URL(bus.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const say = (data: string): void => {
    publisher.publish('a', data, 0);
    socket.send(publisher.poll(0)?.bytes as Uint8Array);
  };
  say('before');
  await hear();
  const later = hear();
  say('meanwhile');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  await later;
  expect(told).toEqual(['before', 'meanwhile']);
  socket.close();
});
