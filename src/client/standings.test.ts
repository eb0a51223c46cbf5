import { expect, test } from 'vitest';
import { Incoming, MESSAGE } from '../wire/index.ts';
import { Standings } from './standings.ts';

const told = (name: string, room: string, data: unknown): Incoming =>
  new Incoming(MESSAGE.event, 0, 0, name, data, { room });
const said = (room: string, offset: number): Incoming => new Incoming(MESSAGE.event, 0, 0, 'say', 1, { room, offset });

test('the last message counts, of the log that was told last', () => {
  const standings = new Standings();
  standings.note(said('a', 3));
  expect([standings.positions, standings.of('a')]).toEqual([undefined, undefined]);
  standings.note(told('position', 'a', { offset: 4, epoch: 'e1' }));
  standings.note(said('a', 5));
  standings.note(told('recovered', 'b', { offset: 1, epoch: 'e1', missed: 0 }));
  standings.note(told('gap', 'a', { offset: 2, epoch: 'e2', reason: 'epoch' }));
  standings.note(said('a', 3));
  expect(standings.positions).toEqual([
    ['b', 1, 'e1'],
    ['a', 3, 'e2'],
  ]);
  expect(standings.of('a')).toEqual({ offset: 3, epoch: 'e2' });
});

test('a room that keeps nothing any more is forgotten, and nothing odd is remembered', () => {
  const standings = new Standings();
  standings.note(told('position', 'a', { offset: 4, epoch: 'e1' }));
  standings.note(told('gap', 'a', { reason: 'no-history' }));
  for (const data of [undefined, null, 5, {}, { offset: 1 }, { offset: 1, epoch: 5 }, { offset: -0.5, epoch: 'e' }]) {
    standings.note(told('position', 'a', data));
  }
  standings.note(new Incoming(MESSAGE.event, 0, 0, 'position', { offset: 1, epoch: 'e' }));
  expect(standings.positions).toBeUndefined();
});

test('of more rooms than a HELLO shows, those that were heard of last', () => {
  const standings = new Standings();
  for (let n = 0; n < 1000; n++) standings.note(told('position', `${n}`, { offset: n, epoch: 'e' }));
  standings.note(told('gap', '0', { offset: 0, epoch: 'f', reason: 'epoch' }));
  expect(standings.positions).toHaveLength(1000);
  standings.note(told('position', 'one more', { offset: 1, epoch: 'e' }));
  expect(standings.positions).toHaveLength(1000);
  expect([standings.of('0'), standings.of('1'), standings.of('2')]).toEqual([
    { offset: 0, epoch: 'f' },
    undefined,
    { offset: 2, epoch: 'e' },
  ]);
});
