import { expect, test } from 'vitest';
import { CLOSE, CLOSE_OF_ERROR, closedBy, errorOfClose, unplanned } from './close.ts';

test.each(Object.entries(CLOSE_OF_ERROR))('%s is what its close code says', (error, close) => {
  expect(errorOfClose(close)).toBe(error);
});

test('every code of Hawser’s own has an error, but for one', () => {
  const own = Object.entries(CLOSE).filter(([, code]) => code >= 4000);
  const carried = new Set<number | undefined>(Object.values(CLOSE_OF_ERROR));
  expect(own.filter(([, code]) => !carried.has(code)).map(([name]) => name)).toEqual(['kicked']);
});

test.each([
  [1000, 'ERR_CLOSED'],
  [1001, 'ERR_SERVER_CLOSING'],
  [1006, 'ERR_CLOSED'],
  [1009, 'ERR_MESSAGE_TOO_LARGE'],
  [4321, 'ERR_CLOSED'],
  [4507, 'ERR_CLOSED'],
])('%d means %s', (code, error) => {
  expect(errorOfClose(code)).toBe(error);
});

test('an error says the code and the reason; a planned goodbye is none', () => {
  expect(closedBy({ code: 4000, reason: 'nothing came' })).toMatchObject({
    code: 'ERR_PEER_SILENT',
    message: 'closed (4000): nothing came',
  });
  const errors = [1000, 1001, 1005, 1006, 4507].map((code) => unplanned({ code, reason: '' })?.code);
  expect(errors).toEqual([undefined, undefined, undefined, 'ERR_CLOSED', 'ERR_CLOSED']);
});
