import { describe, expect, test } from 'vitest';
import { check } from './checker.ts';
import type { Heard, Ledger, Published } from './ledger.ts';

const EPOCH = 'e1';

/** Messages 1 to `count` of one publisher, at offsets 10, 20, … */
function published(count: number, more: Partial<Published> = {}): Published[] {
  return Array.from({ length: count }, (_, index) => ({
    publisher: 'p',
    room: 'r',
    number: index + 1,
    askedAt: index,
    doneAt: index + 0.5,
    tries: 1,
    place: { offset: 10 * (index + 1), epoch: EPOCH },
    ...more,
  }));
}

function message(number: number, offset: number | undefined = 10 * number): Heard {
  return { kind: 'message', at: number, room: 'r', publisher: 'p', number, by: 's', offset };
}

function place(kind: 'positioned' | 'recovered' | 'gap', offset: number, epoch = EPOCH, reason = 'expired'): Heard {
  return { kind, at: 0, room: 'r', offset, epoch, missed: undefined, reason: kind === 'gap' ? reason : undefined };
}

const up = (id: string): Heard => ({ kind: 'up', at: 0, id, transport: 'ws' });
const change = (kind: 'joined' | 'left', member: string): Heard => ({ kind, at: 0, room: 'r', member });

function ledger(heard: readonly Heard[], more: Partial<Ledger> = {}): Ledger {
  return {
    historyRooms: ['r'],
    plainRooms: [],
    members: [{ name: 'm', hasLeft: false, heard }],
    published: published(4),
    calm: [],
    presence: [],
    mayGap: [{ room: 'r', reason: 'expired', from: 0 }],
    ...more,
  };
}

const kinds = (one: Ledger): string[] => check(one).findings.map(({ kind }) => kind);
const start = place('positioned', 0);
const all = [1, 2, 3, 4].map((number) => message(number));

describe('a room with history', () => {
  test('all in order is good, whatever the member was told besides', () => {
    expect(kinds(ledger([start, ...all]))).toEqual([]);
    expect(kinds(ledger([start, ...all.slice(0, 2), place('recovered', 40), ...all.slice(2)]))).toEqual([]);
  });

  test('who came later misses nothing of what was before', () => {
    expect(kinds(ledger([place('positioned', 20), message(3), message(4)]))).toEqual([]);
  });

  test('a lost message is found in the middle, at the beginning and at the end', () => {
    expect(kinds(ledger([start, message(1), message(3), message(4)]))).toEqual(['lost']);
    expect(kinds(ledger([start, message(2), message(3), message(4)]))).toEqual(['lost']);
    expect(kinds(ledger([start, message(1), message(2), message(3)]))).toEqual(['lost']);
    expect(kinds(ledger([start]))).toEqual(['lost']);
    expect(kinds(ledger([]))).toEqual(['lost']);
  });

  test('one that nobody confirmed is missed by who lacks it, when another member has it', () => {
    const unsure = published(4).map((one) =>
      one.number === 2 ? { ...one, place: undefined, doneAt: undefined } : one,
    );
    const [first, second, third, fourth] = all as [Heard, Heard, Heard, Heard];
    const members = [
      { name: 'a', hasLeft: false, heard: [start, first, second, third, fourth] },
      { name: 'b', hasLeft: false, heard: [start, first, third, fourth] },
    ];
    expect(kinds(ledger([], { members, published: unsure }))).toEqual(['lost']);
    expect(kinds(ledger([start, first, third, fourth], { published: unsure }))).toEqual([]);
  });

  test('a gap that is told is no loss, but what comes behind it must be there', () => {
    expect(kinds(ledger([start, message(1), place('gap', 30), message(4)]))).toEqual([]);
    expect(kinds(ledger([start, message(1), place('gap', 20), message(4)]))).toEqual(['lost']);
    expect(kinds(ledger([start, message(1), place('gap', 30)]))).toEqual(['lost']);
  });

  test('a log that lost its end says so, and goes on behind what the member had', () => {
    const unknown = { ...place('gap', 20), reason: 'unknown' } as Heard;
    const mayGap = [{ room: 'r', reason: 'unknown', from: 0 }];
    const before = [start, message(1), message(2), message(3)];
    expect(kinds(ledger([...before, unknown, message(4)], { mayGap }))).toEqual([]);
    expect(kinds(ledger([...before, unknown, message(4, 25)], { mayGap }))).toContain('swapped');
    expect(kinds(ledger([...before, unknown, message(3, 35), message(4)], { mayGap }))).toEqual([]);
    expect(kinds(ledger([...before, place('gap', 20), message(4)]))).toEqual(['swapped']);
  });

  test('a gap for a reason that the run does not give is needless', () => {
    expect(kinds(ledger([start, message(1), place('gap', 30, EPOCH, 'unknown'), message(4)]))).toEqual([
      'needless-gap',
    ]);
  });

  test('and a gap before anything could give its reason', () => {
    const mayGap = [{ room: 'r', reason: 'expired', from: 1 }];
    expect(kinds(ledger([start, message(1), place('gap', 30), message(4)], { mayGap }))).toEqual(['needless-gap']);
  });

  test('a doubled message is found, at the same place and at another', () => {
    expect(kinds(ledger([start, ...all, message(4)]))).toEqual(['doubled']);
    expect(kinds(ledger([start, ...all, message(4, 50)]))).toEqual(['doubled', 'appended-twice']);
  });

  test('two messages swapped are found', () => {
    const [first, second, third, fourth] = all as [Heard, Heard, Heard, Heard];
    expect(kinds(ledger([start, first, third, second, fourth]))).toEqual(['lost', 'swapped']);
  });

  test('a publisher whose messages stand in the log in another order', () => {
    const swapped = [start, message(1), message(3, 20), message(2, 30), message(4)];
    const unsure = published(4, { place: undefined });
    expect(kinds(ledger(swapped, { published: unsure }))).toEqual(['swapped']);
  });

  test('two members with two orders', () => {
    const members = [
      { name: 'a', hasLeft: false, heard: [start, message(1), message(2, 20), message(3, 30), message(4)] },
      { name: 'b', hasLeft: false, heard: [start, message(1), message(3, 20), message(2, 30), message(4)] },
    ];
    const found = kinds(ledger([], { members, published: published(4, { place: undefined }) }));
    expect(found.filter((kind) => kind === 'two-orders')).toHaveLength(2);
  });

  test('a message that was appended twice', () => {
    const again = published(4, { place: { offset: 50, epoch: EPOCH } }).slice(3);
    const both = [...published(4), ...again];
    expect(kinds(ledger([start, ...all], { published: both }))).toEqual(['lost', 'appended-twice']);
  });

  test('a log that began anew is to be told as a gap', () => {
    const anew = [
      ...published(3),
      { ...(published(4)[3] as Published), place: { offset: 1, epoch: 'e2' }, doneAt: 100 },
    ];
    const before = [start, message(1), message(2), message(3)];
    expect(kinds(ledger([...before, place('gap', 0, 'e2', 'expired'), message(4, 1)], { published: anew }))).toEqual(
      [],
    );
    expect(kinds(ledger(before, { published: anew }))).toEqual(['lost']);
    expect(kinds(ledger([...before, place('positioned', 0, 'e2'), message(4, 1)], { published: anew }))).toEqual([
      'lost',
    ]);
    // The member believes that it is the old one.
    expect(kinds(ledger([...before, message(4, 1)], { published: anew }))).toContain('swapped');
  });

  test('a beginning in the middle, without a word of what was missed', () => {
    expect(kinds(ledger([start, message(1), place('positioned', 30), message(4)]))).toEqual(['lost']);
  });

  test('who has left early owes nothing for later, but all for before', () => {
    const left = (heard: readonly Heard[]): Ledger => ledger([], { members: [{ name: 'm', hasLeft: true, heard }] });
    expect(kinds(left([start, message(1), message(2)]))).toEqual([]);
    expect(kinds(left([start, message(2)]))).toEqual(['lost']);
    expect(kinds(left([]))).toEqual([]);
  });

  test('what came is what the member is told that it missed', () => {
    const recovered = (missed: number): Heard => ({ ...place('recovered', 30), missed }) as Heard;
    const [first, second, third, fourth] = all as [Heard, Heard, Heard, Heard];
    const before = [up('a'), start, first, up('b'), second, third];
    expect(kinds(ledger([...before, recovered(2), fourth]))).toEqual([]);
    expect(kinds(ledger([...before, recovered(3), fourth]))).toEqual(['lost']);
  });

  test('a message without a place, and one that nobody published', () => {
    expect(kinds(ledger([start, ...all, { ...message(4), offset: undefined } as Heard]))).toContain('unplaced');
    expect(kinds(ledger([start, ...all, message(9)]))).toContain('invented');
  });
});

describe('a room without history', () => {
  const plain = (heard: readonly Heard[], more: Partial<Ledger> = {}): Ledger =>
    ledger(heard, { historyRooms: [], plainRooms: ['r'], published: published(4, { place: undefined }), ...more });
  const bare = (number: number): Heard => message(number, undefined);
  const calm = [{ from: 1.9, to: 10 }];

  test('loss counts, and is a fault only while nothing was wrong', () => {
    const heard = [up('a'), bare(1), bare(3), bare(4)];
    expect(check(plain(heard))).toMatchObject({ findings: [], lostPlain: [1] });
    expect(kinds(plain([up('a'), bare(1), bare(2), bare(4)], { calm }))).toEqual(['lost']);
    expect(kinds(plain([up('a'), bare(1), bare(3), bare(4)], { calm }))).toEqual([]);
  });

  test('doubles and swaps are faults in one session; again in another they are counted', () => {
    expect(kinds(plain([up('a'), bare(1), bare(2), bare(2)]))).toEqual(['doubled']);
    expect(kinds(plain([up('a'), bare(2), bare(1)]))).toEqual(['swapped']);
    expect(check(plain([up('a'), bare(1), bare(2), up('b'), bare(2)]))).toMatchObject({ findings: [], againPlain: 1 });
    expect(kinds(plain([up('a'), bare(1), bare(2), up('a'), bare(2)]))).toEqual(['doubled']);
  });
});

describe('presence', () => {
  const presence = (heard: readonly Heard[], answers: readonly string[] = ['a', 'b']): Ledger =>
    ledger([start, ...all, ...heard], {
      presence: [{ room: 'r', truth: ['a', 'b'], answers: [{ node: 'n', ids: answers }] }],
    });

  test('who is missing, gone or there twice at a node is found', () => {
    expect(kinds(presence([]))).toEqual([]);
    for (const answers of [['a'], ['a', 'b', 'c'], ['a', 'b', 'b']]) {
      expect(kinds(presence([], answers))).toEqual(['presence']);
    }
  });

  test('joined and left take turns in a session', () => {
    expect(kinds(presence([up('a'), change('joined', 'b'), change('left', 'b'), change('joined', 'b')]))).toEqual([]);
    expect(kinds(presence([up('a'), change('joined', 'b'), change('joined', 'b')]))).toEqual(['flapping']);
    expect(kinds(presence([up('a'), change('joined', 'b'), up('d'), change('joined', 'b')]))).toEqual([]);
  });

  test('what a member heard last is true', () => {
    expect(kinds(presence([up('a'), change('left', 'b')]))).toEqual(['presence']);
    expect(kinds(presence([up('a'), change('joined', 'c')]))).toEqual(['presence']);
  });
});
