import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Alarm, now } from './alarm.ts';

let rung: number[];
let alarm: Alarm;
let began: number;

beforeEach(() => {
  vi.useFakeTimers();
  rung = [];
  began = now();
  alarm = new Alarm(() => rung.push(now() - began));
});

afterEach(() => {
  alarm.clear();
  vi.useRealTimers();
});

test('rings once, at its time', () => {
  alarm.set(began + 50);
  vi.advanceTimersByTime(49);
  expect(rung).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(rung).toEqual([50]);
});

test('moved forward and back it rings when it was told last', () => {
  alarm.set(began + 50);
  alarm.set(began + 20);
  alarm.set(began + 70);
  vi.advanceTimersByTime(69);
  expect(rung).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(rung).toEqual([70]);
  alarm.set(began + 80);
  vi.advanceTimersByTime(10);
  expect(rung).toEqual([70, 80]);
});

test('what is past rings soon, what is never does not', () => {
  alarm.set(began - 5);
  vi.advanceTimersByTime(1);
  expect(rung).toHaveLength(1);
  alarm.set(began + 10);
  alarm.set(undefined);
  vi.advanceTimersByTime(1000);
  expect(rung).toHaveLength(1);
});

test('a time further away than a timer reaches', () => {
  const far = 2 ** 31 + 5000;
  alarm.set(began + far);
  vi.advanceTimersByTime(2 ** 31);
  expect(rung).toEqual([]);
  vi.advanceTimersByTime(5000);
  expect(rung).toEqual([far]);
});

test('cleared it is silent, and can be set again', () => {
  alarm.set(began + 10);
  alarm.clear();
  vi.advanceTimersByTime(100);
  expect(rung).toEqual([]);
  alarm.set(began + 110);
  vi.advanceTimersByTime(10);
  expect(rung).toEqual([110]);
});
