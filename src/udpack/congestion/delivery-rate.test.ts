import { expect, test } from 'vitest';
import { type AckEvent, newSendTag, type SendTag } from './controller.ts';
import { DeliveryRate } from './delivery-rate.ts';

function send(rate: DeliveryRate, now: number, inFlight: number): SendTag {
  const tag = newSendTag();
  rate.onSent(tag, now, 1000, inFlight);
  return tag;
}

const acked = (...tags: SendTag[]): AckEvent => ({
  acked: tags,
  bytes: tags.length * 1000,
  inFlightBefore: 0,
  inFlight: 0,
  lostBytes: 0,
  latestRtt: 10,
  smoothedRtt: 10,
});

test('what was delivered between the sending and the ack of a datagram, by time', () => {
  const rate = new DeliveryRate();
  const tags: SendTag[] = [];
  for (let now = 0; now < 30; now++) {
    const due = tags[now - 10];
    if (due !== undefined) rate.onAck(now, acked(due), 10);
    tags.push(send(rate, now, Math.min(now, 10) * 1000));
  }
  expect(rate.rate).toBeCloseTo(1000);
  expect(rate.delivered).toBe(20_000);
});

test('acks that come together are no faster path', () => {
  const rate = new DeliveryRate();
  const tags = Array.from({ length: 10 }, (_, at) => send(rate, at * 2, at * 1000));
  rate.onAck(30, acked(...tags), 10);
  expect(rate.rate).toBeCloseTo(10_000 / 30);
  const more = Array.from({ length: 10 }, (_, at) => send(rate, 30 + at * 2, at * 1000));
  rate.onAck(58, acked(...more.slice(0, 9)), 10);
  rate.onAck(58, acked(...more.slice(9)), 10);
  expect(rate.rate).toBeLessThanOrEqual(500);
});

test('an interval below the least round trip gives no sample', () => {
  const rate = new DeliveryRate();
  const tag = send(rate, 0, 0);
  rate.onAck(5, acked(tag), 10);
  expect(rate.rate).toBe(0);
});

test('samples say that the application was slow, until what was in flight then is delivered', () => {
  const rate = new DeliveryRate();
  const before = send(rate, 0, 0);
  rate.onAppLimited(1000);
  const during = send(rate, 1, 1000);
  rate.onAck(10, acked(before), 0);
  expect(rate.appLimited).toBe(false);
  rate.onAck(11, acked(during), 0);
  expect(rate.appLimited).toBe(true);
  rate.onAck(30, acked(send(rate, 20, 0)), 0);
  expect(rate.appLimited).toBe(false);
});

test('an interval that no clock can tell gives no sample', () => {
  const rate = new DeliveryRate();
  rate.onAck(Number.MIN_VALUE, acked(send(rate, 0, 0)), 0);
  expect(rate.rate).toBe(0);
});
