import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { varintLength, writeVarint } from '../../core/index.ts';
import type { Parameters } from '../options.ts';
import { decodeParameters, encodeParameters } from './parameters.ts';

const CLIENTS: Parameters = {
  id: undefined,
  resetToken: undefined,
  credit: 1_000_000,
  streamCredit: 100_000,
  packetStreams: 10,
  byteStreams: 20,
  packetBytes: 70_000,
  datagramSize: 1452,
  idle: 30_000,
  ackDelay: 20,
  unreliableBytes: 1200,
  ids: 4,
};
const SERVERS: Parameters = { ...CLIENTS, id: new Uint8Array(8).fill(9), resetToken: new Uint8Array(16).fill(7) };

/** A list of numbers and values, with its end. */
function list(...said: readonly (readonly [number: number, value: Uint8Array | number])[]): Uint8Array {
  const bytes: number[] = [];
  for (const [number, value] of said) {
    const data = typeof value === 'number' ? varint(value) : value;
    bytes.push(...varint(number), ...varint(data.length), ...data);
  }
  return Uint8Array.from([...bytes, 0]);
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

describe('parameters', () => {
  test('are read as they were said, with padding and without', () => {
    expect(decodeParameters(encodeParameters(CLIENTS), 'client')).toEqual(CLIENTS);
    expect(decodeParameters(encodeParameters(SERVERS, 600), 'server')).toEqual(SERVERS);
    expect(encodeParameters(SERVERS, 600)).toHaveLength(600);
  });

  test('are what the page says when they are not said', () => {
    const absent = {
      id: undefined,
      resetToken: undefined,
      credit: 0,
      streamCredit: 0,
      packetStreams: 0,
      byteStreams: 0,
      packetBytes: 0,
      datagramSize: 1200,
      idle: 0,
      ackDelay: 25,
      unreliableBytes: 0,
      ids: 2,
    };
    expect(decodeParameters(list(), 'client')).toEqual(absent);
    expect(decodeParameters(new Uint8Array(), 'client')).toEqual(absent);
  });

  test('that are unknown are ignored', () => {
    const said = list([99, Uint8Array.of(1, 2, 3)], [3, 77], [2 ** 40, new Uint8Array()], [13, new Uint8Array(400)]);
    expect(decodeParameters(said, 'client')).toMatchObject({ credit: 77 });
  });

  test.each([3, 9, 12, 99])('that come twice are malformed: %i', (number) => {
    expect(decodeParameters(list([number, 4]), 'client')).toBeDefined();
    expect(decodeParameters(list([number, 4], [7, 1], [number, 4]), 'client')).toBeUndefined();
  });

  test.each([
    ['datagramSize', 8, 1200, 65_535],
    ['idle', 9, 0, 2 ** 48],
    ['ackDelay', 10, 0, 16_384],
    ['unreliableBytes', 11, 0, 65_535],
    ['ids', 12, 2, 8],
    ['packetStreams', 5, 0, 2 ** 48],
    ['byteStreams', 6, 0, 2 ** 48],
    ['packetBytes', 7, 0, 2 ** 48],
    ['credit', 3, 0, 2 ** 53 - 1],
  ] as const)('beyond their bounds are malformed: %s', (name, number, least, most) => {
    for (const value of [least, most]) {
      expect(decodeParameters(list([number, value]), 'client')).toMatchObject({ [name]: value });
    }
    if (least > 0) expect(decodeParameters(list([number, least - 1]), 'client')).toBeUndefined();
    // What is above 2^53 - 1 is written by hand.
    const above = most < Number.MAX_SAFE_INTEGER ? most + 1 : Uint8Array.of(0xc0, 0x20, 0, 0, 0, 0, 0, 0);
    expect(decodeParameters(list([number, above]), 'client')).toBeUndefined();
  });

  test.each<[string, Uint8Array]>([
    ['no bytes', new Uint8Array()],
    ['a byte too many', Uint8Array.of(5, 0)],
    ['a byte too few', Uint8Array.of(0x40)],
    ['bytes without end', new Uint8Array(300)],
  ])('whose number has %s are malformed', (_, value) => {
    expect(decodeParameters(list([3, value]), 'client')).toBeUndefined();
  });

  test("only a server's have id and reset token, and they must", () => {
    const id = [1, new Uint8Array(8)] as const;
    const token = [2, new Uint8Array(16)] as const;
    expect(decodeParameters(list(id, token), 'server')).toBeDefined();
    for (const said of [[id], [token], [id, token]]) expect(decodeParameters(list(...said), 'client')).toBeUndefined();
    for (const said of [[], [id], [token]]) expect(decodeParameters(list(...said), 'server')).toBeUndefined();
    expect(decodeParameters(list([1, new Uint8Array(7)], token), 'server')).toBeUndefined();
    expect(decodeParameters(list([1, new Uint8Array(9)], token), 'server')).toBeUndefined();
    expect(decodeParameters(list(id, [2, new Uint8Array(15)]), 'server')).toBeUndefined();
    expect(decodeParameters(list(id, [2, new Uint8Array(0)]), 'server')).toBeUndefined();
  });

  test('that are followed by anything but zeros are malformed', () => {
    const bytes = encodeParameters(CLIENTS, 200);
    for (const at of [198, 199]) {
      const changed = Uint8Array.from(bytes);
      changed[at] = 1;
      expect(decodeParameters(changed, 'client')).toBeUndefined();
    }
    // The end in a longer spelling is none that padding could follow.
    expect(decodeParameters(Uint8Array.of(0x40, 0x00), 'client')).toBeUndefined();
  });

  test('that are cut anywhere within one are malformed', () => {
    const bytes = encodeParameters(SERVERS);
    const whole = new Set([bytes.length, bytes.length - 1]);
    for (let at = 0; at < bytes.length - 1; ) {
      whole.add(at);
      at += 2 + (bytes[at + 1] ?? 0);
    }
    for (let length = 0; length <= bytes.length; length++) {
      const read = decodeParameters(bytes.subarray(0, length), 'server');
      // At a boundary the list just ends; without id and token it is malformed all the same.
      expect(read !== undefined).toBe(whole.has(length) && length >= 10 + 18);
    }
  });

  test('whose length lies take no memory and are malformed', () => {
    expect(decodeParameters(Uint8Array.of(99, 0xbf, 0xff, 0xff, 0xff), 'client')).toBeUndefined();
    expect(
      decodeParameters(Uint8Array.of(99, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 'client'),
    ).toBeUndefined();
    expect(decodeParameters(Uint8Array.of(99), 'client')).toBeUndefined();
  });

  test('of whatever bytes never throw', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom('client', 'server'),
      (bytes, from) => {
        const read = decodeParameters(bytes, from);
        if (read === undefined) return;
        // What could be read can be said again.
        expect(decodeParameters(encodeParameters(read), from)).toEqual(read);
      },
    );
    fc.assert(property, { numRuns: 1000 });
  });

  test('of our own keep the bytes of their keeper when the datagram is gone', () => {
    const bytes = encodeParameters(SERVERS);
    const read = decodeParameters(bytes, 'server');
    bytes.fill(0);
    expect(read).toEqual(SERVERS);
  });
});
