import { expect, test } from 'vitest';
import { TicketBook, type TicketOwner } from './index.ts';

const ticket = (n: number): Uint8Array => new Uint8Array(16).fill(n);

test('a ticket brings back its session, and no other', () => {
  const book = new TicketBook<TicketOwner>();
  const [ada, bob] = [{}, {}];
  book.issue(ticket(1), ada);
  book.issue(ticket(2), bob);
  expect(book.peek(ticket(1))).toBe(ada);
  expect(book.peek(ticket(2))).toBe(bob);
  expect(book.peek(ticket(3))).toBeUndefined();
});

test('bytes of another length are nobody’s ticket, however many', () => {
  const book = new TicketBook<TicketOwner>();
  book.issue(ticket(1), {});
  for (const length of [0, 15, 17, 1 << 21]) expect(book.peek(new Uint8Array(length).fill(1))).toBeUndefined();
});

test('a ticket that was shown stays good until its successor is known to have arrived', () => {
  const book = new TicketBook<TicketOwner>();
  const ada = {};
  book.issue(ticket(1), ada);
  book.show(ticket(1));
  book.issue(ticket(2), ada);
  expect([book.peek(ticket(1)), book.peek(ticket(2))]).toEqual([ada, ada]);
  book.confirm(ada);
  expect(book.peek(ticket(1))).toBeUndefined();
  expect(book.peek(ticket(2))).toBe(ada);
});

test('showing the successor voids the one before', () => {
  const book = new TicketBook<TicketOwner>();
  const ada = {};
  book.issue(ticket(1), ada);
  book.show(ticket(1));
  book.issue(ticket(2), ada);
  book.show(ticket(2));
  expect(book.peek(ticket(1))).toBeUndefined();
  book.issue(ticket(3), ada);
  expect([book.peek(ticket(2)), book.peek(ticket(3))]).toEqual([ada, ada]);
  expect(book.size).toBe(2);
});

test('a ticket that was issued and never shown is void with the next', () => {
  const book = new TicketBook<TicketOwner>();
  const ada = {};
  book.issue(ticket(1), ada);
  book.show(ticket(1));
  for (let n = 2; n < 50; n++) book.issue(ticket(n), ada);
  expect(book.peek(ticket(48))).toBeUndefined();
  expect(book.size).toBe(2);
});

test('an attempt that comes after a later one brings nothing back', () => {
  const book = new TicketBook<TicketOwner>();
  const ada = {};
  book.issue(ticket(1), ada);
  expect(book.peek(ticket(1), 4)).toBe(ada);
  book.show(ticket(1), 4);
  book.issue(ticket(2), ada);
  expect(book.peek(ticket(1), 3)).toBeUndefined();
  expect(book.peek(ticket(1), 4)).toBeUndefined();
  expect(book.peek(ticket(1), 5)).toBe(ada);
  expect(book.peek(ticket(1))).toBe(ada);
});

test('a session that ended leaves no ticket; a stranger changes nothing', () => {
  const book = new TicketBook<TicketOwner>();
  const ada = {};
  book.issue(ticket(1), ada);
  book.show(ticket(1));
  book.issue(ticket(2), ada);
  book.show(ticket(9));
  book.confirm({});
  book.forget({});
  expect(book.size).toBe(2);
  book.forget(ada);
  expect(book.size).toBe(0);
  expect(book.peek(ticket(2))).toBeUndefined();
});
