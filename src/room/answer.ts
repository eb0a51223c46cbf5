import { givenReason, HawserError } from '../core/index.ts';
import { askAll } from './ask.ts';
import type { Hall, Seat } from './namespace.ts';
import { MOST_FOUND, type Question, readQuestion } from './question.ts';

/** A socket, as its own node tells of it. */
export interface Told {
  readonly id: string;
  readonly user: string | null;
  readonly rooms: readonly string[];
  readonly roomCount: number;
}

/** The longest that another node can have us wait for a socket's answer, ms. */
const MOST_WAIT = 600_000;
/** Rooms that are listed of one socket. */
export const MOST_ROOMS_TOLD = 100;

/**
 * Does what another node asks, to the sockets of this one, and returns what it is answered. `hallOf` has the namespaces of this node.
 * @throws HawserError ERR_UNSUPPORTED (no question that this version knows), and what was in the way.
 */
export function answerQuestion(value: unknown, hallOf: (namespace: string) => Hall | undefined): unknown {
  const question = readQuestion(value);
  if (question === undefined) throw new HawserError('ERR_UNSUPPORTED', 'no question that this node knows');
  const hall = hallOf(question.target.namespace);
  switch (question.kind) {
    case 'find/1':
      return hall === undefined ? { sockets: [], total: 0 } : find(hall, question);
    case 'join/1':
      return { sockets: hall === undefined ? 0 : joinAll(hall, hall.select(question.target), question.rooms) };
    case 'leave/1':
      return { sockets: hall === undefined ? 0 : leaveAll(hall, hall.select(question.target), question.rooms) };
    case 'disconnect/1':
      return { sockets: closeAll(hall?.select(question.target) ?? [], question.code, question.reason) };
    default:
      return hall === undefined ? { answers: [], errors: [], silent: [] } : request(hall, question);
  }
}

/** The sockets of this node that a question names, told of in full up to `most`. */
export function find(
  hall: Hall,
  { target, most, sockets }: Extract<Question, { kind: 'find/1' }>,
): { readonly sockets: readonly Told[]; readonly total: number } {
  const named = sockets === undefined ? undefined : new Set(sockets);
  const found = hall.select(target).filter(({ id }) => named === undefined || named.has(id));
  return { sockets: found.slice(0, Math.min(most, MOST_FOUND)).map(tell), total: found.length };
}

/** How many there were. @throws HawserError what was in the way of the first who could not join; all others have. */
export function joinAll(hall: Hall, seats: readonly Seat[], rooms: readonly string[]): number {
  let failed: { readonly error: unknown } | undefined;
  for (const seat of seats) {
    try {
      for (const room of rooms) hall.join(seat, room);
    } catch (error) {
      failed ??= { error };
    }
  }
  if (failed !== undefined) throw failed.error;
  return seats.length;
}

export function leaveAll(hall: Hall, seats: readonly Seat[], rooms: readonly string[]): number {
  for (const seat of seats) for (const room of rooms) hall.leave(seat, room);
  return seats.length;
}

/** @throws HawserError ERR_ARGUMENT for a code that no close frame can carry. */
export function closeAll(seats: readonly Seat[], code: number, reason: string): number {
  const given = givenReason(code, reason);
  for (const seat of seats) seat.close(given);
  return seats.length;
}

/** @throws HawserError ERR_TOO_MANY_REQUESTS: nobody is asked. */
export function fewEnough(hall: Hall, seats: readonly Seat[]): readonly Seat[] {
  const { requestAll } = hall.settings;
  if (seats.length <= requestAll) return seats;
  const text = `${seats.length} sockets are more than the ${requestAll} of one request`;
  throw new HawserError('ERR_TOO_MANY_REQUESTS', text);
}

/** Errors cross as what they say. */
async function request(hall: Hall, asked: Extract<Question, { kind: 'request/1' }>): Promise<unknown> {
  const seats = fewEnough(hall, hall.select(asked.target));
  const timeout = Math.min(asked.timeout || MOST_WAIT, MOST_WAIT);
  const { answers, errors, silent } = await askAll(seats, asked.name, asked.data, { timeout });
  const said = errors.map(({ error: { code, message, data }, ...one }) => ({ ...one, error: { code, message, data } }));
  return { answers, errors: said, silent };
}

function tell({ id, user, occupant }: Seat): Told {
  const rooms = occupant?.rooms() ?? [];
  return { id, user, rooms: rooms.slice(0, MOST_ROOMS_TOLD), roomCount: rooms.length };
}
