import { expect, test } from 'vitest';
import { Incoming, MESSAGE } from '../wire/index.ts';
import { noteStanding, type Standings } from './standings.ts';

const told = (name: string, room: string, data: unknown): Incoming =>
  new Incoming(MESSAGE.event, 0, 0, name, data, { room });
const said = (room: string, offset: number): Incoming => new Incoming(MESSAGE.event, 0, 0, 'say', 1, { room, offset });

test('the last message counts, of the log that was told last', () => {
  const standings: Standings = new Map();
  noteStanding(standings, said('a', 3));
  expect(standings.size).toBe(0);
  noteStanding(standings, told('positioned', 'a', { offset: 4, epoch: 'e1' }));
  noteStanding(standings, said('a', 5));
  noteStanding(standings, told('recovered', 'b', { offset: 0, epoch: 'e1', missed: 0 }));
  noteStanding(standings, told('gap', 'a', { offset: 2, epoch: 'e2', reason: 'epoch' }));
  noteStanding(standings, said('a', 3));
  noteStanding(standings, told('say', 'a', { offset: 7, epoch: 'e3' }));
  expect([...standings.values()]).toEqual([
    ['b', 0, 'e1'],
    ['a', 3, 'e2'],
  ]);
});

test('a room that keeps nothing any more is forgotten, and nothing odd is remembered', () => {
  const standings: Standings = new Map();
  noteStanding(standings, told('positioned', 'a', { offset: 4, epoch: 'e1' }));
  noteStanding(standings, told('gap', 'a', { reason: 'no-history' }));
  for (const data of [undefined, null, 5, {}, { offset: 1 }, { offset: 1, epoch: 5 }, { offset: -1, epoch: 'e' }]) {
    noteStanding(standings, told('positioned', 'a', data));
  }
  noteStanding(standings, new Incoming(MESSAGE.event, 0, 0, 'positioned', { offset: 1, epoch: 'e' }));
  expect(standings.size).toBe(0);
});

test('of more rooms than a HELLO shows, those that were heard of last', () => {
  const standings: Standings = new Map();
  for (let n = 0; n < 1000; n++) noteStanding(standings, told('positioned', `${n}`, { offset: n, epoch: 'e' }));
  noteStanding(standings, told('gap', '0', { offset: 0, epoch: 'f', reason: 'epoch' }));
  expect(standings.size).toBe(1000);
  noteStanding(standings, told('positioned', 'one more', { offset: 1, epoch: 'e' }));
  expect(standings.size).toBe(1000);
  expect([standings.get('0'), standings.get('1')]).toEqual([['0', 0, 'f'], undefined]);
});
