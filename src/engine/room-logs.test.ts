import { describe, expect, test } from 'vitest';
import type { HistoryRule, Position } from './history.ts';
import { ID_WINDOW } from './room-log.ts';
import { RoomLogs } from './room-logs.ts';

const RULE: HistoryRule = { name: '/ *', size: 100, age: 1000 };

class Stage {
  now = 0;
  epochs = 0;
  readonly heard = new Set<string>();
  readonly logs: RoomLogs<string>;

  constructor(bounds: { readonly logsMost?: number; readonly bytesMost?: number } = {}) {
    this.logs = new RoomLogs({
      now: () => this.now,
      newEpoch: () => `e${++this.epochs}`,
      weigh: (text) => text.length,
      isHeard: (key) => this.heard.has(key),
      ...bounds,
    });
  }

  add(key: string, text = '0123456789'): Position {
    const { offset, epoch } = this.logs.append(key, text, RULE);
    return { offset, epoch };
  }

  after(key: string, since: Position): unknown {
    const read = this.logs.read(key, RULE, since, 1000);
    return read.isWhole ? read.entries.map(({ value }) => value) : read.reason;
  }
}

describe('the logs of many rooms', () => {
  test('weigh what they keep', () => {
    const { logs } = new Stage();
    for (let i = 0; i < 150; i++) logs.append('r', 'ten bytes.', RULE);
    expect([logs.size, logs.bytes]).toEqual([1, 1000]);
    logs.append('s', 'ten bytes.', { ...RULE, size: 0 });
    expect(logs.bytes).toBe(1000);
    logs.clear();
    expect([logs.size, logs.bytes]).toEqual([0, 0]);
  });

  test('over their bytes give up the entries that were quiet longest, and say so', () => {
    const stage = new Stage({ bytesMost: 45 });
    const before = { offset: 0, epoch: 'e1' };
    const first = stage.add('r');
    stage.add('r');
    for (let i = 0; i < 2; i++) stage.add('s');
    expect(stage.after('r', first)).toEqual(['0123456789']);
    stage.add('s');
    expect(stage.logs.bytes).toBeLessThanOrEqual(45);
    expect([stage.after('r', before), stage.after('r', first), stage.after('s', { offset: 0, epoch: 'e2' })]).toEqual([
      'expired',
      'expired',
      ['0123456789', '0123456789', '0123456789'],
    ]);
    // The log goes on where it was.
    expect(stage.add('r')).toEqual({ offset: 3, epoch: 'e1' });
  });

  test('a log that is too much by itself is shortened', () => {
    const stage = new Stage({ bytesMost: 45 });
    for (let i = 0; i < 8; i++) stage.add('r');
    expect(stage.logs.bytes).toBeLessThanOrEqual(45);
    expect(stage.after('r', { offset: 0, epoch: 'e1' })).toBe('expired');
    expect(stage.after('r', { offset: 7, epoch: 'e1' })).toEqual(['0123456789']);
  });

  test('too many of them: the one that was quiet longest begins anew, with another epoch', () => {
    const stage = new Stage({ logsMost: 3 });
    const place = stage.add('r');
    for (const key of ['s', 't']) stage.add(key);
    expect(stage.after('r', place)).toEqual([]);
    for (const key of ['u', 'v', 'w']) stage.add(key);
    expect([stage.logs.size, stage.logs.bytes]).toEqual([3, 30]);
    expect(stage.after('r', place)).toBe('epoch');
  });

  test('those that have nothing to say any more are forgotten, unless they are heard', () => {
    const stage = new Stage();
    stage.heard.add('heard');
    const places = ['quiet', 'heard'].map((key) => stage.add(key)) as [Position, Position];
    stage.now = ID_WINDOW + 1;
    stage.add('other');
    expect([stage.logs.size, stage.logs.bytes]).toEqual([2, 10]);
    expect([stage.after('quiet', places[0]), stage.after('heard', places[1])]).toEqual(['epoch', []]);
  });
});
