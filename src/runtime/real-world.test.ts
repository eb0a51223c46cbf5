import { expect, test, vi } from 'vitest';
import { realWorld } from './real-world.ts';

test('a timer runs no earlier than asked for', async () => {
  const world = realWorld();
  const at = world.now() + 5;
  await new Promise<void>((resolve) => {
    world.timer(at, resolve);
  });
  expect(world.now()).toBeGreaterThanOrEqual(at);
});

test('a cancelled timer never runs, and cancelling twice is quiet', () => {
  vi.useFakeTimers();
  try {
    const world = realWorld();
    const run = vi.fn();
    const timer = world.timer(world.now() + 10, run);
    const far = world.timer(world.now() + 2 ** 31 + 5, run);
    timer.cancel();
    timer.cancel();
    vi.advanceTimersByTime(1000);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2 ** 31);
    expect(run).toHaveBeenCalledTimes(1);
    far.cancel();
  } finally {
    vi.useRealTimers();
  }
});

test('what is asked for soon runs after the turn', async () => {
  const heard: string[] = [];
  const world = realWorld();
  const ran = new Promise<void>((resolve) => {
    world.soon(() => {
      heard.push('soon');
      resolve();
    });
  });
  heard.push('now');
  await ran;
  expect(heard).toEqual(['now', 'soon']);
});

test('chance is fresh each time, of any length, and drawn bytes are never drawn again', () => {
  const { random } = realWorld();
  const seen = new Set<string>();
  for (let i = 0; i < 300; i++) {
    seen.add(Buffer.from(random.bytes(16)).toString('hex'));
    const unit = random.unit();
    expect(unit >= 0 && unit < 1).toBe(true);
  }
  expect(seen.size).toBe(300);
  const long = random.bytes(200_000);
  expect(long.subarray(199_900).some((byte) => byte !== 0)).toBe(true);
});

test('errors that nobody could catch are reported', () => {
  const report = vi.fn();
  realWorld(report).report?.('lost');
  expect(report).toHaveBeenCalledWith('lost');
});
