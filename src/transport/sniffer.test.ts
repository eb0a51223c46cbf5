import { expect, test } from 'vitest';
import { MAGIC, Sniffer } from './sniffer.ts';

const AFTER = Uint8Array.of(1, 2, 3);

test('the magic is found wherever it is cut, and what follows is kept', () => {
  const wire = Uint8Array.of(...MAGIC, ...AFTER);
  for (let at = 0; at <= wire.length; at++) {
    const sniffer = new Sniffer();
    const first = sniffer.receive(wire.subarray(0, at));
    expect(first).toBe(at < MAGIC.length ? 'more' : 'magic');
    if (first === 'more') expect(sniffer.receive(wire.subarray(at))).toBe('magic');
    expect(sniffer.rest).toEqual(at < MAGIC.length ? AFTER : wire.subarray(MAGIC.length, at));
  }
});

test('a brace begins lines, and belongs to the first', () => {
  const sniffer = new Sniffer();
  expect(sniffer.receive(Buffer.from('{"event"'))).toBe('line');
  expect(Buffer.from(sniffer.rest).toString()).toBe('{"event"');
});

test.each([
  ['text', 'GET / HTTP/1.1\r\n'],
  ['a TLS hello', '\x16\x03\x01'],
  ['a space before the brace', ' {}'],
  ['another version', '\x89HWS2\r\n\x1a'],
  ['a line end that was translated', '\x89HWS1\n\x1a\0'],
])('%s is unknown', (_, text) => {
  expect(new Sniffer().receive(Buffer.from(text, 'latin1'))).toBe('unknown');
});

test('a brace in the place of the second byte is unknown', () => {
  const sniffer = new Sniffer();
  expect(sniffer.receive(MAGIC.subarray(0, 1))).toBe('more');
  expect(sniffer.receive(Buffer.from('{'))).toBe('unknown');
});
