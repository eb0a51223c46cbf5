import { describe, expect, test } from 'vitest';
import type { Entry, Position, Reading } from '../engine/index.ts';
import { Feed, KEPT_MOST } from './feed.ts';
import { QUEUE_MOST } from './follower.ts';
import type { Joined } from './joined.ts';
import type { Seat } from './namespace.ts';

const RULE = { name: '/ *', size: 10, age: 1000 };

const at = (offset: number, epoch = 'e1'): Position => ({ offset, epoch });
const entry = (offset: number, previous = offset - 1, epoch = 'e1'): Entry => ({
  message: { target: { exceptRooms: [] } as never, event: 'say', data: offset, meta: {}, volatile: false },
  offset,
  previous,
  epoch,
});
const entries = (from: number, to: number): Entry[] => Array.from({ length: to - from + 1 }, (_, i) => entry(from + i));
const whole = (position: Position, ...read: Entry[]): Reading => ({ isWhole: true, entries: read, position });

interface Chair extends Seat {
  heard: string[];
  isFull: boolean;
  /** What it does when it hears something. */
  react: (what: string) => void;
}

interface Asked {
  readonly since: Position | undefined;
  readonly tries: number;
  readonly answer: (reading: Reading) => void;
  isOver: boolean;
}

/** A feed whose log answers by hand. */
class Room {
  readonly seats = new Set<Seat>();
  readonly asked: Asked[] = [];
  readonly joined: Joined[] = [];
  readonly feed: Feed;

  constructor() {
    this.feed = new Feed('room', RULE, this.seats, {
      read: (since, tries, answer) => {
        const asked: Asked = { since, tries, answer, isOver: false };
        this.asked.push(asked);
        return () => {
          asked.isOver = true;
        };
      },
      hand:
        ({ offset, epoch }) =>
        (seat) => {
          const what = epoch === 'e1' ? `${offset}` : `${offset} of ${epoch}`;
          this.#tell(seat as Chair, what);
          return true;
        },
      tell: (seat, event, data) => {
        const { offset, missed, reason } = data as { offset: number; missed?: number; reason?: string };
        this.#tell(seat as Chair, [event, offset, missed ?? reason].filter((one) => one !== undefined).join(' '));
      },
    });
  }

  /** A room that is at an offset, with a member who has heard so. */
  static at(offset: number): { room: Room; ada: Chair } {
    const room = new Room();
    const ada = room.enter();
    room.answer(whole(at(offset)));
    ada.heard = [];
    return { room, ada };
  }

  enter(since?: Position): Chair {
    const chair = { heard: [] as string[], isFull: false, react: () => {} } as unknown as Chair;
    chair.mustWait = () => chair.isFull;
    this.seats.add(chair);
    this.feed.join(chair, since, (joined) => this.joined.push(joined));
    return chair;
  }

  leave(seat: Seat): void {
    this.seats.delete(seat);
    this.feed.leave(seat);
  }

  /** Answers the reading that was asked for first. */
  answer(reading: Reading): Asked {
    const asked = this.asked.shift();
    if (asked === undefined) throw new Error('nothing was asked');
    if (!asked.isOver) asked.answer(reading);
    return asked;
  }

  hear(...all: Entry[]): void {
    for (const one of all) this.feed.entered(one);
  }

  #tell(chair: Chair, what: string): void {
    chair.heard.push(what);
    chair.react(what);
  }
}

describe('a member', () => {
  test('is told where the room is when the log has said so, once for all who wait', () => {
    const room = new Room();
    const [ada, bob] = [room.enter(), room.enter()];
    room.hear(entry(6), entry(7));
    expect([ada.heard, room.asked.length]).toEqual([[], 1]);
    room.answer(whole(at(6)));
    expect([ada.heard, bob.heard]).toEqual([
      ['positioned 6', '7'],
      ['positioned 6', '7'],
    ]);
    expect(room.enter().heard).toEqual(['positioned 7']);
    expect(room.asked).toEqual([]);
  });

  test('gets each entry once, whatever is told twice or late', () => {
    const { room, ada } = Room.at(5);
    room.hear(entry(5), entry(6), entry(6), entry(7), entry(6), entry(7));
    expect([ada.heard, room.asked]).toEqual([['6', '7'], []]);
  });

  test('gets nothing behind a hole before the hole is filled', () => {
    const { room, ada } = Room.at(5);
    room.hear(entry(6), entry(9), entry(10));
    expect([ada.heard, room.asked.map(({ since }) => since)]).toEqual([['6'], [at(6)]]);
    room.answer(whole(at(9), entry(7), entry(8), entry(9)));
    expect([ada.heard, room.asked]).toEqual([['6', '7', '8', '9', '10'], []]);
  });

  test('a reading that does not know of what was told is asked for again, later each time', () => {
    const { room, ada } = Room.at(5);
    room.hear(entry(8));
    room.answer(whole(at(6), entry(6)));
    room.answer(whole(at(4)));
    room.answer(whole(at(7), entry(7)));
    expect([ada.heard, room.asked]).toEqual([['6', '7', '8'], []]);
    room.hear(entry(10));
    const tries = room.answer(whole(at(10), entry(9), entry(10))).tries;
    expect([ada.heard.length, tries]).toEqual([5, 0]);
  });

  test('is told of another log by what enters it, and of entries of the old one that come late nothing', () => {
    const { room, ada } = Room.at(5);
    room.hear(entry(1, 0, 'e2'));
    room.hear(entry(6), entry(2, 1, 'e2'));
    expect(ada.heard).toEqual([]);
    room.answer(whole(at(1, 'e2')));
    // What came during the reading may be of a newer log still.
    expect([ada.heard, room.asked.map(({ since }) => since)]).toEqual([['gap 1 epoch'], [at(1, 'e2')]]);
    room.answer(whole(at(1, 'e2')));
    expect([ada.heard, room.asked]).toEqual([['gap 1 epoch', '2 of e2'], []]);
    room.hear(entry(7));
    room.answer(whole(at(2, 'e2')));
    room.hear(entry(3, 2, 'e2'));
    expect([ada.heard.slice(2), room.asked]).toEqual([['3 of e2'], []]);
  });

  test('is told why when the log has not all of it', () => {
    const { room, ada } = Room.at(5);
    room.hear(entry(9));
    room.answer({ isWhole: false, reason: 'expired', position: at(9) });
    room.hear(entry(10));
    expect(ada.heard).toEqual(['gap 9 expired', '10']);
  });

  test('what may not have been told is read, also when that is said during a reading', () => {
    const { room, ada } = Room.at(5);
    room.feed.catchUp();
    room.feed.catchUp();
    room.answer(whole(at(6), entry(6)));
    room.answer(whole(at(6)));
    expect([ada.heard, room.asked]).toEqual([['6'], []]);
    const early = new Room();
    early.enter();
    early.feed.catchUp();
    early.answer(whole(at(1)));
    expect(early.asked.map(({ since }) => since)).toEqual([at(1)]);
  });

  test(`behind a hole ${KEPT_MOST} entries wait, and what comes then is read`, () => {
    const { room, ada } = Room.at(0);
    room.hear(...entries(2, KEPT_MOST + 3));
    room.answer(whole(at(1), entry(1)));
    expect(ada.heard.length).toBe(KEPT_MOST + 1);
    expect(room.asked.map(({ since }) => since)).toEqual([at(KEPT_MOST + 1)]);
    room.answer(whole(at(KEPT_MOST + 3), ...entries(KEPT_MOST + 2, KEPT_MOST + 3)));
    expect([ada.heard.length, room.asked]).toEqual([KEPT_MOST + 3, []]);
  });

  test('who publishes when he hears something, or brings somebody in, keeps the order for all', () => {
    const { room, ada } = Room.at(0);
    const bob = room.enter();
    let eve: Chair | undefined;
    ada.react = (what) => {
      if (what === '1') room.hear(entry(2));
      if (what === '2') eve = room.enter();
    };
    room.hear(entry(1));
    room.hear(entry(3));
    expect([ada.heard, bob.heard.slice(1), eve?.heard]).toEqual([
      ['1', '2', '3'],
      ['1', '2', '3'],
      ['positioned 2', '3'],
    ]);
  });

  test('nothing is read or told when the last has left', () => {
    const { room, ada } = Room.at(0);
    room.hear(entry(5));
    room.leave(ada);
    room.feed.close();
    expect(room.asked.map(({ isOver }) => isOver)).toEqual([true]);
    room.hear(entry(6));
    room.feed.catchUp();
    expect([room.asked.length, ada.heard]).toEqual([1, []]);
  });
});

describe('who comes back', () => {
  test('is given what he missed, then what the others had meanwhile, then goes along', () => {
    const { room, ada } = Room.at(5);
    const bob = room.enter(at(3));
    room.hear(entry(6));
    expect([ada.heard, bob.heard]).toEqual([['6'], []]);
    room.answer(whole(at(5), entry(4), entry(5)));
    room.hear(entry(7));
    expect(bob.heard).toEqual(['4', '5', '6', 'recovered 6 3', '7']);
    expect(room.joined.at(-1)).toEqual({
      room: 'room',
      position: at(6),
      recovered: true,
      missed: 3,
      reason: undefined,
    });
  });

  test('as the first, finds out where the room is by that', () => {
    const room = new Room();
    const bob = room.enter(at(3));
    const ada = room.enter();
    expect(room.asked.map(({ since }) => since)).toEqual([at(3)]);
    room.hear(entry(6));
    room.answer(whole(at(5), entry(4), entry(5)));
    expect([bob.heard, ada.heard]).toEqual([
      ['4', '5', 'recovered 5 2', '6'],
      ['positioned 5', '6'],
    ]);
  });

  test('as the first, and leaves: who waits with him is not forgotten', () => {
    const room = new Room();
    const bob = room.enter(at(3));
    const ada = room.enter();
    room.leave(bob);
    expect(room.joined).toMatchObject([{ position: undefined, recovered: false, reason: 'left' }]);
    expect(room.asked.map(({ isOver, since }) => [isOver, since])).toEqual([
      [true, at(3)],
      [false, undefined],
    ]);
    room.asked.shift();
    room.answer(whole(at(5)));
    expect(ada.heard).toEqual(['positioned 5']);
  });

  test('with others from the same place has the log read once for all of them', () => {
    const { room } = Room.at(5);
    const [ada, bob, eve] = [room.enter(at(3)), room.enter(at(3)), room.enter(at(3))];
    const ned = room.enter(at(4));
    expect(room.asked.map(({ since }) => since)).toEqual([at(3), at(4)]);
    room.leave(ada);
    room.answer(whole(at(5), entry(4), entry(5)));
    room.leave(ned);
    expect(room.asked.map(({ isOver }) => isOver)).toEqual([true]);
    expect([ada.heard, bob.heard, eve.heard]).toEqual([[], ['4', '5', 'recovered 5 2'], ['4', '5', 'recovered 5 2']]);
    const [ivy] = [room.enter(at(3))];
    room.leave(ivy);
    room.enter(at(3));
    expect(room.asked.slice(1).map(({ isOver }) => isOver)).toEqual([true, false]);
  });

  test('with more than the others have gets nothing twice', () => {
    const { room, ada } = Room.at(5);
    const bob = room.enter(at(7));
    room.answer(whole(at(8), entry(8)));
    room.hear(...entries(6, 9));
    expect([ada.heard, bob.heard]).toEqual([
      ['6', '7', '8', '9'],
      ['8', 'recovered 8 1', '9'],
    ]);
  });

  test('with more than the others have, who then hear of a gap, has none if the log has what he needs', () => {
    const { room, ada } = Room.at(5);
    const [bob, eve] = [room.enter(at(7)), room.enter(at(9))];
    room.answer(whole(at(7)));
    room.answer(whole(at(9)));
    room.hear(entry(9));
    room.answer({ isWhole: false, reason: 'too-many', position: at(8) });
    room.answer(whole(at(9), entry(8), entry(9)));
    expect([ada.heard, bob.heard, eve.heard]).toEqual([
      ['gap 8 too-many', '9'],
      ['recovered 7 0', '8', '9', 'recovered 9 2'],
      ['recovered 9 0'],
    ]);
  });

  test('from another log than that of the others has them look, too', () => {
    const { room, ada } = Room.at(5);
    const bob = room.enter(at(2, 'e2'));
    room.answer(whole(at(3, 'e2'), entry(3, 2, 'e2')));
    expect([ada.heard, bob.heard, room.asked.map(({ since }) => since)]).toEqual([[], [], [at(5)]]);
    room.answer({ isWhole: false, reason: 'epoch', position: at(3, 'e2') });
    room.answer(whole(at(3, 'e2'), entry(3, 2, 'e2')));
    expect([ada.heard, bob.heard]).toEqual([['gap 3 epoch'], ['3 of e2', 'recovered 3 1']]);
  });

  test('an answer of a log that is over is asked for again, when the others are on the new one', () => {
    const { room } = Room.at(5);
    const bob = room.enter(at(3));
    room.answer({ isWhole: false, reason: 'epoch', position: at(1, 'e0') });
    room.answer(whole(at(5)));
    room.answer(whole(at(5), entry(4), entry(5)));
    expect(bob.heard).toEqual(['4', '5', 'recovered 5 2']);
  });

  test('an answer that is older than what the others have is asked for again', () => {
    const { room } = Room.at(5);
    const bob = room.enter(at(3));
    room.hear(entry(6));
    room.answer(whole(at(4), entry(4)));
    expect(bob.heard).toEqual([]);
    expect(room.answer(whole(at(6), entry(4), entry(5), entry(6))).tries).toBe(1);
    expect(bob.heard).toEqual(['4', '5', '6', 'recovered 6 3']);
  });

  test('and reads slowly holds nobody up, and gets all in the end', () => {
    const { room, ada } = Room.at(5);
    const bob = room.enter(at(3));
    bob.isFull = true;
    room.answer(whole(at(5), entry(4), entry(5)));
    room.hear(...entries(6, 8));
    expect([ada.heard.length, bob.heard]).toEqual([3, []]);
    bob.react = (what) => {
      bob.isFull = what === '5';
    };
    bob.isFull = false;
    room.feed.drained(bob);
    expect(bob.heard).toEqual(['4', '5']);
    bob.isFull = false;
    room.feed.drained(bob);
    room.hear(entry(9));
    expect(bob.heard.slice(2)).toEqual(['6', '7', '8', 'recovered 8 5', '9']);
  });

  test(`and reads slowly has ${QUEUE_MOST} messages wait, and what comes then is read again`, () => {
    const { room } = Room.at(0);
    const bob = room.enter(at(-1));
    bob.isFull = true;
    room.answer(whole(at(0)));
    room.hear(entry(1));
    const eve = room.enter(at(0));
    eve.isFull = true;
    room.answer(whole(at(1), entry(1)));
    room.hear(...entries(2, QUEUE_MOST + 2));
    eve.isFull = false;
    room.feed.drained(eve);
    expect(eve.heard.length).toBe(QUEUE_MOST);
    expect(room.asked.map(({ since }) => since?.offset)).toEqual([QUEUE_MOST]);
    room.answer(whole(at(QUEUE_MOST + 2), ...entries(QUEUE_MOST + 1, QUEUE_MOST + 2)));
    expect(eve.heard.slice(-3)).toEqual([
      `${QUEUE_MOST + 1}`,
      `${QUEUE_MOST + 2}`,
      `recovered ${QUEUE_MOST + 2} ${QUEUE_MOST + 2}`,
    ]);
  });

  test('and asks again where he is, is told when it is known', () => {
    const { room } = Room.at(5);
    const told: (Joined | undefined)[] = [];
    const bob = room.enter(at(3));
    room.feed.ask(bob, (joined) => told.push(joined));
    expect(told).toEqual([]);
    room.answer(whole(at(5), entry(4), entry(5)));
    room.feed.ask(bob, (joined) => told.push(joined));
    expect(told).toMatchObject([
      { position: at(5), recovered: true, missed: 2 },
      { position: at(5), recovered: false, missed: 0 },
    ]);
  });
});
