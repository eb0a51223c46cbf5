import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProxyHeader, type ProxyVerdict } from './proxy-protocol.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const SIGNATURE = '0d0a0d0a000d0a515549540a';

function read(bytes: Uint8Array): ProxyVerdict {
  return new ProxyHeader().receive(bytes);
}

/** Fed in pieces: the first verdict that is not `more`. */
function readCut(bytes: Uint8Array, at: readonly number[]): ProxyVerdict {
  const header = new ProxyHeader();
  const cuts = [...new Set([...at.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted((a, b) => a - b);
  let from = 0;
  let verdict: ProxyVerdict = { kind: 'more' };
  for (const to of cuts) {
    if (verdict.kind !== 'more') break;
    verdict = header.receive(bytes.subarray(from, to));
    from = to;
  }
  return verdict;
}

const GOOD: readonly [string, Uint8Array, string | undefined, number][] = [
  ['version 1, IPv4', ascii('PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'), '192.0.2.1', 56_324],
  ['version 1, IPv6', ascii('PROXY TCP6 2001:DB8::1 ::1 1 2\r\n'), '2001:db8::1', 1],
  ['version 1, unknown', ascii('PROXY UNKNOWN\r\n'), undefined, 0],
  ['version 1, unknown with words', ascii('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined, 0],
  ['version 2, IPv4', hex(`${SIGNATURE} 21 11 000c c0000201 c6336402 dc04 01bb`), '192.0.2.1', 56_324],
  [
    'version 2, IPv6',
    hex(`${SIGNATURE} 21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 0001 0002`),
    '2001:db8::1',
    1,
  ],
  [
    'version 2, with extensions',
    hex(`${SIGNATURE} 21 11 0013 c0000201 c6336402 dc04 01bb 03000412345678`),
    '192.0.2.1',
    56_324,
  ],
  ['version 2, LOCAL', hex(`${SIGNATURE} 20 00 0000`), undefined, 0],
  ['version 2, LOCAL with addresses', hex(`${SIGNATURE} 20 11 000c c0000201 c6336402 dc04 01bb`), undefined, 0],
  ['version 2, unspecified', hex(`${SIGNATURE} 21 00 0003 010203`), undefined, 0],
  ['version 2, a Unix socket', hex(`${SIGNATURE} 21 31 00d8 ${'00'.repeat(216)}`), '', 0],
];

describe.each(GOOD)('%s', (_, bytes, address, port) => {
  const source = address === undefined ? undefined : { address, port };

  test('is read, and what follows is left', () => {
    const rest = ascii('{"event"');
    const whole = new Uint8Array([...bytes, ...rest]);
    expect(read(whole)).toEqual({ kind: 'header', source, rest });
  });

  test('is read however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 10 }), (cuts) => {
        expect(readCut(bytes, cuts)).toMatchObject({ kind: 'header', source });
      }),
    );
    for (let i = 0; i < bytes.length; i++) expect(read(bytes.subarray(0, i)).kind).toBe('more');
  });
});

test.each<[string, Uint8Array]>([
  ['another family', ascii('PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n')],
  ['addresses of the other family', ascii('PROXY TCP4 ::1 ::1 1 2\r\n')],
  ['a name for an address', ascii('PROXY TCP4 localhost 2.2.2.2 1 2\r\n')],
  ['a port too many', ascii('PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n')],
  ['no port', ascii('PROXY TCP4 1.1.1.1 2.2.2.2\r\n')],
  ['a port that is none', ascii('PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n')],
  ['a port with a zero before it', ascii('PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n')],
  ['two blanks', ascii('PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n')],
  ['no CR', ascii('PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n')],
  ['no end', ascii(`PROXY UNKNOWN ${'x'.repeat(200)}`)],
  ['another version', hex(`${SIGNATURE} 31 11 000c c0000201 c6336402 dc04 01bb`)],
  ['another command', hex(`${SIGNATURE} 22 11 000c c0000201 c6336402 dc04 01bb`)],
  ['datagrams', hex(`${SIGNATURE} 21 12 000c c0000201 c6336402 dc04 01bb`)],
  ['too few addresses', hex(`${SIGNATURE} 21 11 000b c0000201 c6336402 dc04 01`)],
  ['too long an announcement', hex(`${SIGNATURE} 21 11 ffff`)],
])('a header with %s is broken', (_, bytes) => {
  expect(read(bytes)).toEqual({ kind: 'broken' });
});

test.each<[string, Uint8Array]>([
  ['the magic', hex('89485753310d0a1a')],
  ['JSON', ascii('{"event":"hello"}')],
  ['HTTP', ascii('GET / HTTP/1.1\r\n')],
  ['TLS', hex('1603010200')],
  ['PROXY in other letters', ascii('proxy TCP4')],
])('%s is no header', (_, bytes) => {
  const header = new ProxyHeader();
  expect(header.receive(bytes)).toEqual({ kind: 'none' });
  expect(header.seen).toEqual(bytes);
});

test('any bytes get an answer, and keep no more than a header may have', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', 'PROXY ', '\r\n\r\n\0\r\nQUIT\n'),
      fc.uint8Array({ maxLength: 5000 }),
      (head, noise) => {
        const bytes = new Uint8Array([...ascii(head), ...noise]);
        const { kind } = read(bytes);
        expect(kind !== 'more' || bytes.length < 4096 + 16).toBe(true);
      },
    ),
  );
});
