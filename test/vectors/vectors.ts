import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { type FailureData, type Incoming, MESSAGE, type WireFailure } from '../../src/wire/index.ts';
import { toJson } from '../../src/wire/json-values.ts';

/** What a message means, as the vector files say it. */
export interface Meaning {
  readonly kind: string;
  readonly channel?: number;
  readonly id?: number | string;
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly data?: unknown;
  readonly meta?: unknown;
}

export interface Vectors {
  readonly valid: readonly {
    readonly what: string;
    readonly hex: string;
    readonly text: string;
    readonly decodeOnly?: boolean;
    readonly message: Meaning;
  }[];
  readonly invalid: readonly {
    readonly what: string;
    readonly hex?: string;
    readonly text: string;
    readonly binary?: boolean;
    readonly code: string;
    readonly id?: number | string;
  }[];
}

export function readVectors(name: string): Vectors {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as Vectors;
}

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const KIND_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(MESSAGE).map(([name, kind]) => [kind, name]));
const NUMBERED: ReadonlySet<string> = new Set(['request', 'response', 'failure']);
const ABOUT_CHANNEL: ReadonlySet<string> = new Set([
  ...NUMBERED,
  'event',
  'volatile',
  'channelOpen',
  'channelData',
  'channelCredit',
  'channelClose',
]);

const NAMED: ReadonlySet<string> = new Set(['event', 'volatile', 'request', 'channelOpen']);

/** A decoded message as a vector file would write it. */
export function meaningOf(message: Incoming | WireFailure): Meaning {
  if (message.kind === 0) throw new Error(`refused: ${message.code} ${message.message}`);
  const kind = KIND_NAMES.get(message.kind) ?? '';
  const failure = kind === 'failure' ? (message.data as FailureData) : undefined;
  const data = toJson(failure === undefined ? message.data : failure.data);
  const hasName = NAMED.has(kind);
  return {
    kind,
    ...(ABOUT_CHANNEL.has(kind) && { channel: message.channel }),
    // `$0` is how the JSON codec keeps an id of 0 apart from none.
    ...(NUMBERED.has(kind) && { id: message.id === '$0' ? 0 : message.id }),
    ...(hasName && { name: message.name }),
    ...(failure !== undefined && { code: message.name, message: failure.message }),
    ...(data !== undefined && { data }),
    ...(message.meta !== undefined && { meta: message.meta }),
  };
}

/** Integers as they arrive: those that a number holds exactly are numbers, whatever they were when they were sent. */
const integer: fc.Arbitrary<number | bigint> = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const key: fc.Arbitrary<string> = fc
  .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('constructor', 'toString', '$bytes', '$$int', 'a'))
  .filter((name) => name !== '__proto__');

/** Every value that both dialects can carry, such that it arrives as it was sent. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('list'), tie('map')),
  leaf: fc.oneof(
    fc.constantFrom(null, true, false, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary', minLength: 20, maxLength: 400 }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.integer({ min: -70_000, max: 70_000 }),
    integer,
    fc.date({ noInvalidDate: true }),
    fc.uint8Array({ maxLength: 300 }),
  ),
  list: fc.array(tie('value')),
  map: fc
    .uniqueArray(fc.tuple(key, tie('value')), { selector: ([name]) => name })
    .map((members) => Object.fromEntries(members)),
})).value;

/** Bytes with a few of them overwritten, taken out or put in. */
export function mutated(bytes: Uint8Array, changes: readonly (readonly [number, number, number])[]): Uint8Array {
  const list = [...bytes];
  for (const [place, how, byte] of changes) {
    const at = list.length === 0 ? 0 : place % list.length;
    list.splice(at, how % 2 === 0 ? 1 : 0, ...(how < 2 ? [byte] : []));
  }
  return Uint8Array.from(list);
}

export const anyChanges: fc.Arbitrary<[number, number, number][]> = fc.array(
  fc.tuple(fc.nat(10_000), fc.nat(3), fc.nat(255)),
  { minLength: 1, maxLength: 4 },
);
