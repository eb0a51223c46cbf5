import { randomBytes } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex } from '../../../test/support/websocket-frames.ts';
import type { CompressionOptions } from '../../transport/index.ts';
import { type DeflateAgreement, INFLATE } from '../../websocket/index.ts';
import { resolveCompression, ZlibCompression } from './compression.ts';
import { History } from './history.ts';

const BOUNDLESS: DeflateAgreement = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const MIB = 1 << 20;

function made(
  role: 'server' | 'client',
  agreement: Partial<DeflateAgreement> = {},
  options: CompressionOptions = {},
): ZlibCompression {
  const settings = resolveCompression(options);
  if (settings === undefined) throw new Error('no settings');
  return new ZlibCompression(settings, { ...BOUNDLESS, ...agreement }, role);
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const deflated = (from: ZlibCompression, bytes: Uint8Array): Uint8Array => {
  const result = from.deflate(bytes);
  if (result === undefined) throw new Error('it did not get shorter');
  return result;
};
const inflated = (at: ZlibCompression, bytes: Uint8Array, limit: number = MIB): string => {
  const result = at.inflate(bytes, limit);
  return typeof result === 'string' ? `fault: ${result}` : Buffer.from(result).toString();
};

describe('the payloads of RFC 7692 7.2.3', () => {
  test.each([
    ['one block', 'f2 48 cd c9 c9 07 00'],
    ['a block without compression', '00 05 00 fa ff 48 65 6c 6c 6f 00'],
    ['a final block', 'f3 48 cd c9 c9 07 00 00'],
    ['two blocks', 'f2 48 05 00 00 00 ff ff ca c9 c9 07 00'],
  ])('%s', (_, hex) => {
    expect(inflated(made('server'), fromHex(hex))).toBe('Hello');
  });

  test('a second message refers to the first', () => {
    const server = made('server');
    expect(inflated(server, fromHex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
    expect(inflated(server, fromHex('f2 00 11 00 00'))).toBe('Hello');
    expect(inflated(server, fromHex('f2 00 11 00 00'))).toBe('Hello');
  });

  test('but not where no context is taken over', () => {
    const server = made('server', { clientNoContextTakeover: true });
    expect(inflated(server, fromHex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
    expect(inflated(server, fromHex('f2 00 11 00 00'))).toBe('fault: broken');
  });

  test('a final block does not end the context', () => {
    const server = made('server');
    expect(inflated(server, fromHex('f3 48 cd c9 c9 07 00 00'))).toBe('Hello');
    expect(inflated(server, fromHex('f2 00 11 00 00'))).toBe('Hello');
  });

  test('empty messages', () => {
    const server = made('server');
    expect([inflated(server, fromHex('00')), inflated(server, new Uint8Array(0))]).toEqual(['', '']);
    expect(inflated(server, fromHex('02 00'))).toBe('');
  });
});

test('a message that does not get shorter stays as it is, and the context does not know of it', () => {
  const [server, client] = [made('server'), made('client')];
  const noise = new Uint8Array(randomBytes(2000));
  expect(client.deflate(noise)).toBeUndefined();
  const twice = concat([noise, noise]);
  expect(server.inflate(deflated(client, twice), MIB)).toEqual(Buffer.from(twice));
});

test('memory of earlier messages makes later ones shorter, and costs no more than the window', () => {
  const [server, client] = [made('server'), made('client')];
  const text = utf8(JSON.stringify({ event: 'say', data: { room: 'lobby', text: 'all of it again' } }));
  const first = deflated(client, text).length;
  expect(deflated(client, text).length).toBeLessThan(first / 4);
  const other = made('client');
  for (let round = 0; round < 100; round++) {
    const message = utf8(`${round} `.repeat(3000));
    expect(inflated(server, deflated(other, message))).toBe(`${round} `.repeat(3000));
  }
});

test('frames are the same for all only where nothing is taken over and the window is whole', () => {
  const forgetful = { serverNoContextTakeover: true };
  expect(made('server', forgetful).shared).toBe(true);
  expect(made('server', { ...forgetful, serverMaxWindowBits: 14 }).shared).toBe(false);
  expect(made('server', { clientNoContextTakeover: true }).shared).toBe(false);
  expect(made('client', { clientNoContextTakeover: true }).shared).toBe(true);
});

const bits = fc.integer({ min: 8, max: 15 });
const agreements = fc.record({
  serverNoContextTakeover: fc.boolean(),
  clientNoContextTakeover: fc.boolean(),
  serverMaxWindowBits: bits,
  clientMaxWindowBits: bits,
});
/** Bytes that repeat themselves, near and far, and noise. */
const messages = fc.array(
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 600 }), fc.nat(60))
    .map(([bytes, times]) => concat(Array.from({ length: times + 1 }, () => bytes))),
  { maxLength: 8 },
);

test('whatever was agreed on, what one side deflates the other inflates, message after message, both ways', () => {
  const level = fc.integer({ min: 1, max: 9 });
  const property = fc.property(agreements, messages, level, level, (agreement, all, zlibLevel, memoryLevel) => {
    const options = { level: zlibLevel, memoryLevel };
    const [server, client] = [made('server', agreement, options), made('client', agreement, options)];
    return all.every((message) => passes(message, server, client) && passes(message, client, server));
  });
  expect(() => fc.assert(property, { numRuns: 60 })).not.toThrow();
});

function passes(message: Uint8Array, from: ZlibCompression, to: ZlibCompression): boolean {
  const bytes = from.deflate(message);
  return bytes === undefined || Buffer.from(to.inflate(bytes, MIB) as Uint8Array).equals(message);
}

describe('what is no deflate data', () => {
  const good = deflated(made('client'), utf8('to be or not to be, that is the question, to be or not'.repeat(5)));

  test.each([
    ['a block of the kind that does not exist', fromHex('07')],
    ['a stored block whose length is not confirmed', fromHex('00 05 00 00 00 48')],
    ['a reference to before the beginning', fromHex('f2 00 11 00 00')],
    ['text', utf8('this was never compressed')],
    ['more after the end', concat([good, fromHex('ff ff ff')])],
    ['65 final blocks', concat(Array.from({ length: 65 }, () => fromHex('03 00')))],
  ])('%s', (_, bytes) => {
    expect(inflated(made('server'), bytes)).toBe('fault: broken');
  });

  test('a message that was cut off', () => {
    for (let end = 1; end < good.length - 1; end++) {
      expect(inflated(made('server'), good.subarray(0, end)), String(end)).toBe('fault: broken');
    }
  });

  test('any bytes get a verdict without a throw, and never more than the limit', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => good.with(at, byte)),
    );
    fc.assert(
      fc.property(bytes, fc.nat(300), (input, limit) => {
        const result = made('server').inflate(input, limit);
        if (typeof result === 'string') expect(Object.values(INFLATE)).toContain(result);
        else expect(result.length).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the limit', () => {
  test.each([0, 1, 63, 64, 1000, 65_536, MIB])('of %i bytes is held to the byte', (limit) => {
    const deflate = (length: number): Uint8Array =>
      deflateRawSync(new Uint8Array(length).fill(65), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    expect((made('server').inflate(deflate(limit), limit) as Uint8Array).length).toBe(limit);
    expect(made('server').inflate(deflate(limit + 1), limit)).toBe(INFLATE.tooLarge);
  });

  test('is one for all final blocks of a message together', () => {
    const part = deflateRawSync(new Uint8Array(600).fill(65));
    expect((made('server').inflate(concat([part, fromHex('00')]), 1000) as Uint8Array).length).toBe(600);
    expect(made('server').inflate(concat([part, part, fromHex('00')]), 1000)).toBe(INFLATE.tooLarge);
  });

  test('stops a bomb where it stands: a gigabyte from a megabyte takes the memory of the limit', () => {
    const bomb = deflateRawSync(new Uint8Array(64 * MIB), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    const many = concat(Array.from({ length: 16 }, () => concat([bomb, fromHex('00 00 ff ff')])));
    const before = process.memoryUsage().arrayBuffers;
    expect(made('server').inflate(many, MIB)).toBe(INFLATE.tooLarge);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * MIB);
  });
});

test.each([
  [{ threshold: -1 }, 'threshold'],
  [{ threshold: 0.5 }, 'threshold'],
  [{ level: 0 }, 'level'],
  [{ level: 10 }, 'level'],
  [{ memoryLevel: 0 }, 'memoryLevel'],
  [{ serverMaxWindowBits: 7 }, 'serverMaxWindowBits'],
  [{ clientMaxWindowBits: 16 }, 'clientMaxWindowBits'],
])('the option %o is refused', (options, name) => {
  expect(() => resolveCompression(options)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  expect(() => resolveCompression(options)).toThrow(name);
});

test('off unless it is asked for', () => {
  expect([resolveCompression(undefined), resolveCompression(false)]).toEqual([undefined, undefined]);
  expect(resolveCompression(true)).toEqual(resolveCompression({}));
});

test('a history is the last bytes, however they came', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 60 }), (pieces, most) => {
      const history = new History(most);
      for (const piece of pieces) history.add(piece);
      const all = concat(pieces);
      expect([...(history.bytes ?? [])]).toEqual([...all.subarray(Math.max(0, all.length - most))]);
    }),
  );
});
