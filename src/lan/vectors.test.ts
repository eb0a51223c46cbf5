import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hmac } from '../../test/support/lan-line.ts';
import { decodeValue, encodeValue } from '../wire/index.ts';
import { WHOLE, writeBlock } from './blocks.ts';
import {
  DATA_HEADER,
  encodeBeat,
  encodeGone,
  encodeRequest,
  encodeWelcome,
  readGone,
  readRequest,
  readWelcome,
  writeDataHeader,
} from './datagrams.ts';
import { KIND, open, SEAL_BYTES, seal } from './envelope.ts';
import { lanKey } from './keys.ts';
import { Publisher } from './publisher.ts';

interface Vector {
  readonly name: string;
  readonly signed: boolean;
  readonly hex: string;
}

const page = new URL('../../docs/lan-vectors.json', import.meta.url);
const {
  key: words,
  keyId,
  vectors,
} = JSON.parse(readFileSync(page, 'utf8')) as {
  readonly key: string;
  readonly keyId: string;
  readonly vectors: readonly Vector[];
};

const key = lanKey(hmac(words));
const session = Uint8Array.from({ length: 12 }, (_, i) => i);
const nonce = Uint8Array.from({ length: 8 }, (_, i) => 0x10 + i);
const proof = Uint8Array.from({ length: 16 }, (_, i) => 0x20 + i);
const hello = encodeValue('hello');

/** A datagram with these blocks: a topic, or none for the one before; which part; what of the payload. */
function blocks(
  kind: number,
  count: number,
  write: (bytes: Uint8Array, at: number) => number,
): (signed: boolean) => Uint8Array {
  return (signed) => {
    const bytes = new Uint8Array(1000);
    const end = write(bytes, DATA_HEADER);
    writeDataHeader(bytes, kind, session, { door: 4000, first: 7, count });
    return seal(bytes, end, signed ? key : undefined).slice();
  };
}

const topic = (text: string): Uint8Array => new TextEncoder().encode(text);
const header = { door: 4000, first: 9, count: 0 };

const made: Readonly<Record<string, (signed: boolean) => Uint8Array>> = {
  'two messages of one topic, one of another': blocks(KIND.data, 3, (bytes, at) => {
    const second = writeBlock(bytes, at, topic('quotes/ACME'), WHOLE, encodeValue({ price: 12.5 }));
    const third = writeBlock(bytes, second, undefined, WHOLE, encodeValue({ price: 13 }));
    return writeBlock(bytes, third, topic('trädes'), WHOLE, encodeValue([true, null]));
  }),
  'a message in two parts': blocks(KIND.data, 2, (bytes, at) => {
    const second = writeBlock(bytes, at, topic('a'), { more: true, continued: false }, hello, 0, 4);
    return writeBlock(bytes, second, undefined, { more: false, continued: true }, hello, 4);
  }),
  'a volatile message': blocks(KIND.volatile, 1, (bytes, at) => writeBlock(bytes, at, topic('a'), WHOLE, hello)),
  'a sign of life': (signed) => encodeBeat(session, header, 3, signed ? key : undefined),
  'the end': (signed) => encodeBeat(session, { ...header, count: 0xffff }, 4, signed ? key : undefined),
  'a question whether one is there': (signed) =>
    encodeRequest(session, { nonce, proof: new Uint8Array(16), ranges: [] }, signed ? key : undefined),
  'a request for 3 to 4 and 6': (signed) =>
    encodeRequest(
      session,
      {
        nonce,
        proof,
        ranges: [
          { from: 3, to: 5 },
          { from: 6, to: 7 },
        ],
      },
      signed ? key : undefined,
    ),
  'a welcome': (signed) =>
    encodeWelcome(
      session,
      nonce,
      { proof, oldest: 2, next: 9, volatileNext: 1, age: 60_000 },
      signed ? key : undefined,
    ),
  '1 to 2 are gone': (signed) => encodeGone(session, nonce, [{ from: 1, to: 3 }], signed ? key : undefined),
};

test('the vectors of the page are what the code makes', () => {
  const all = Object.entries(made).flatMap(([name, make]) =>
    [false, true].map((signed) => ({ name, signed, hex: Buffer.from(make(signed)).toString('hex') })),
  );
  expect(all).toEqual(vectors);
  expect(key.id.toString(16).padStart(8, '0')).toBe(keyId);
});

test('and are read by it', () => {
  for (const { name, signed, hex } of vectors) {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const end = open(bytes, signed ? [key] : []);
    expect(end).toBe(bytes.length - (signed ? SEAL_BYTES : 0));
    if (name.startsWith('a request')) expect(readRequest(bytes, end as number)?.ranges[1]).toEqual({ from: 6, to: 7 });
    if (name === 'a welcome') expect(readWelcome(bytes, end as number)?.age).toBe(60_000);
    if (name.endsWith('gone')) expect(readGone(bytes, end as number)).toEqual([{ from: 1, to: 3 }]);
  }
});

/** A reader of blocks that was written from the page, and shares nothing with the code. */
function fromPage(hex: string): { topic: string; data: unknown }[] {
  const bytes = Buffer.from(hex, 'hex');
  const count = bytes.readUInt16BE(26);
  const messages: { topic: string; data: unknown }[] = [];
  let at = 28;
  let name = '';
  let begun = Buffer.alloc(0);
  for (let i = 0; i < count; i++) {
    const end = at + 2 + bytes.readUInt16BE(at);
    const flags = bytes[at + 2] as number;
    at += 3;
    if ((flags & 5) === 0) {
      const length = bytes[at] as number;
      name = bytes.toString('utf8', at + 1, at + 1 + length);
      at += 1 + length;
    }
    begun = Buffer.concat([begun, bytes.subarray(at, end)]);
    if ((flags & 2) === 0) {
      messages.push({ topic: name, data: decodeValue(begun)?.value });
      begun = Buffer.alloc(0);
    }
    at = end;
  }
  return messages;
}

test('a reader that was written from the page reads them', () => {
  const named = (name: string): string => vectors.find((vector) => vector.name === name)?.hex ?? '';
  expect(fromPage(named('two messages of one topic, one of another'))).toEqual([
    { topic: 'quotes/ACME', data: { price: 12.5 } },
    { topic: 'quotes/ACME', data: { price: 13 } },
    { topic: 'trädes', data: [true, null] },
  ]);
  expect(fromPage(named('a message in two parts'))).toEqual([{ topic: 'a', data: 'hello' }]);
  expect(fromPage(named('a volatile message'))).toEqual([{ topic: 'a', data: 'hello' }]);
});

test('a publisher that draws this session says what the page says', () => {
  const random = { bytes: () => session, unit: () => 0 };
  const publisher = new Publisher({ door: 4000, random, prove: hmac('p') }, 0);
  publisher.publish('quotes/ACME', { price: 12.5 }, 0);
  publisher.publish('quotes/ACME', { price: 13 }, 0);
  publisher.publish('trädes', [true, null], 0);
  const bytes = new Uint8Array(publisher.poll(0)?.bytes as Uint8Array);
  expect(bytes[25]).toBe(1);
  bytes[25] = 7;
  expect(Buffer.from(bytes).toString('hex')).toBe(vectors[0]?.hex);
});
