import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../udpack-endpoint/crypto.ts';
import type { Address } from '../address.ts';
import type { Crypto } from '../crypto.ts';
import type { Parameters } from '../options.ts';
import { ClientHandshake } from './client.ts';
import {
  COOKIE_BYTES,
  encodeBound,
  encodeInit,
  type Init,
  KIND,
  macKey,
  PROLOGUE_BYTES,
  prologue,
  VERSION,
} from './datagrams.ts';
import { encodeParameters } from './parameters.ts';
import { ServerHandshake } from './server.ts';

const KEY = nodeCrypto.keyPair();
const MAC_KEY = macKey(nodeCrypto, KEY.publicKey);
const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const FROM: Address = { address: '192.0.2.1', port: 5000 };

const PARAMETERS: Parameters = {
  id: undefined,
  resetToken: undefined,
  credit: 1000,
  streamCredit: 100,
  packetStreams: 10,
  byteStreams: 10,
  packetBytes: 10_000,
  datagramSize: 1452,
  idle: 30_000,
  ackDelay: 20,
  unreliableBytes: 1200,
  ids: 4,
};
const SERVERS: Parameters = { ...PARAMETERS, id: new Uint8Array(8).fill(9), resetToken: new Uint8Array(16).fill(7) };

/**
 * Public keys with which every private one comes to nought: RFC 7748 section 7, with the points of order 1, 2, 4 and 8 in all their
 * spellings.
 */
const LOW_ORDER: readonly string[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000080',
];

const of = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

function dial(): ClientHandshake {
  return new ClientHandshake({ crypto: nodeCrypto, serverKey: KEY.publicKey, id: ID, parameters: PARAMETERS });
}

function listen(now = 0, crypto: Crypto = nodeCrypto): ServerHandshake {
  return new ServerHandshake(crypto, KEY, now);
}

function read(server: ServerHandshake, datagram: Uint8Array): Init {
  const init = server.read(datagram);
  if (typeof init !== 'object') throw new Error('it is no INIT');
  return init;
}

/** @yields The bytes with one bit changed, for each of them in turn. */
function* flipped(bytes: Uint8Array, from = 0, to: number = bytes.length): Generator<Uint8Array> {
  for (let at = from; at < to; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      yield changed;
    }
  }
}

/** The same with a mac that fits: who knows the public key can do that. */
function remade(init: Uint8Array): Uint8Array {
  const body = init.subarray(0, init.length - 16);
  return encodeInit(
    nodeCrypto,
    MAC_KEY,
    body.subarray(0, PROLOGUE_BYTES),
    body.subarray(PROLOGUE_BYTES + 1, PROLOGUE_BYTES + 1 + COOKIE_BYTES),
    body.subarray(PROLOGUE_BYTES + 1 + COOKIE_BYTES),
  );
}

describe('INIT', () => {
  test('is answered, and both sides have the same', () => {
    const [client, server] = [dial(), listen()];
    expect(client.initial).toHaveLength(1200);
    const answered = server.answer(read(server, client.initial), SERVERS);
    const established = client.receive(answered?.response ?? new Uint8Array());
    if (typeof established !== 'object') throw new Error('no handshake');
    expect(answered?.established).toEqual({
      sendSecret: established.receiveSecret,
      receiveSecret: established.sendSecret,
      hash: established.hash,
      peer: PARAMETERS,
    });
    expect(established.peer).toEqual(SERVERS);
    expect(answered?.response.length).toBeLessThan(client.initial.length);
  });

  test('that ends early at whatever byte is none', () => {
    const server = listen();
    const { initial } = dial();
    for (let length = 0; length < initial.length; length++) {
      expect(server.read(initial.subarray(0, length))).toBeUndefined();
    }
    // Even with a mac that fits, what is shorter than 1200 bytes could earn more than it brought.
    const short = initial.subarray(0, 1199 - 16);
    const mac = nodeCrypto.mac(MAC_KEY, short).subarray(0, 16);
    expect(server.read(Buffer.concat([short, mac]))).toBeUndefined();
  });

  test('of which any bit is another is none', () => {
    const server = listen();
    for (const changed of flipped(dial().initial)) expect(server.read(changed)).toBeUndefined();
  });

  test('of which a bit is another under a mac that fits is not answered', () => {
    const server = listen();
    const { initial } = dial();
    const message = PROLOGUE_BYTES + 1 + COOKIE_BYTES;
    const places = [
      [5, PROLOGUE_BYTES],
      [message, message + 60],
      [1180, 1184],
    ] as const;
    for (const [from, to] of places) {
      for (const changed of flipped(initial, from, to)) {
        // The highest bit of a public key counts for nothing in X25519, but it does in the hash.
        expect(server.answer(read(server, remade(changed)), SERVERS)).toBeUndefined();
      }
    }
    expect(server.answer(read(server, remade(initial)), SERVERS)).toBeDefined();
  });

  test('for another key is none, and is not answered if its mac is made for this one', () => {
    const other = nodeCrypto.keyPair();
    const client = new ClientHandshake({
      crypto: nodeCrypto,
      serverKey: other.publicKey,
      id: ID,
      parameters: PARAMETERS,
    });
    const server = listen();
    expect(server.read(client.initial)).toBeUndefined();
    expect(server.answer(read(server, remade(client.initial)), SERVERS)).toBeUndefined();
  });

  test.each([1, 7, 39, 41, 80, 255])('with a cookie of %i bytes is none', (length) => {
    const { initial } = dial();
    const changed = Uint8Array.from(initial);
    changed[PROLOGUE_BYTES] = length;
    changed.set(nodeCrypto.mac(MAC_KEY, changed.subarray(0, 1184)).subarray(0, 16), 1184);
    expect(listen().read(changed)).toBeUndefined();
  });

  test.each(LOW_ORDER)('with the ephemeral key %s is not answered', (point) => {
    const message = new Uint8Array(1200 - PROLOGUE_BYTES - 1 - 16);
    message.set(of(point));
    const start = prologue(KIND.init, VERSION, ID);
    const init = encodeInit(nodeCrypto, MAC_KEY, start, new Uint8Array(), message);
    const server = listen();
    expect(server.answer(read(server, init), SERVERS)).toBeUndefined();
  });

  test.each(LOW_ORDER)('can not be made for the server key %s', (point) => {
    const init = { crypto: nodeCrypto, serverKey: of(point), id: ID, parameters: PARAMETERS };
    expect(new ClientHandshake(init).possible).toBe(false);
    expect(dial().possible).toBe(true);
  });

  test.each([0, 31, 33, 64])('can not be made for a server key of %i bytes', (length) => {
    const init = { crypto: nodeCrypto, serverKey: new Uint8Array(length).fill(9), id: ID, parameters: PARAMETERS };
    expect(new ClientHandshake(init).possible).toBe(false);
  });

  test('that says what only servers say, or says it twice, is not answered', () => {
    const server = listen();
    const client = new ClientHandshake({
      crypto: nodeCrypto,
      serverKey: KEY.publicKey,
      id: ID,
      parameters: SERVERS,
    });
    expect(server.answer(read(server, client.initial), SERVERS)).toBeUndefined();
  });
});

describe('RESPONSE', () => {
  function answered(): { client: ClientHandshake; response: Uint8Array } {
    const [client, server] = [dial(), listen()];
    const answer = server.answer(read(server, client.initial), SERVERS);
    return { client, response: answer?.response ?? new Uint8Array() };
  }

  test('of which any bit is another, or that ends early or late, is not taken; the right one is, behind them', () => {
    const { client, response } = answered();
    for (const changed of flipped(response)) expect(client.receive(changed)).toBeUndefined();
    for (let length = 0; length < response.length; length++) {
      expect(client.receive(response.subarray(0, length))).toBeUndefined();
    }
    expect(client.receive(Buffer.concat([response, Uint8Array.of(0)]))).toBeUndefined();
    expect(client.receive(response)).toMatchObject({ peer: SERVERS });
  });

  test('to another INIT is not taken', () => {
    expect(dial().receive(answered().response)).toBeUndefined();
  });

  test.each(LOW_ORDER)('with the ephemeral key %s is not taken', (point) => {
    const { client, response } = answered();
    const changed = Uint8Array.from(response);
    changed.set(of(point), PROLOGUE_BYTES);
    expect(client.receive(changed)).toBeUndefined();
    expect(client.receive(response)).toBeDefined();
  });

  test('of a server with a good key that does not say its id is a fault', () => {
    const [client, server] = [dial(), listen()];
    const answer = server.answer(read(server, client.initial), PARAMETERS);
    expect(client.receive(answer?.response ?? new Uint8Array())).toBe('parameter-malformed');
  });

  test('to whatever bytes of the right length is nothing', () => {
    const client = dial();
    for (const kind of [KIND.response, KIND.retry, KIND.version, KIND.init, 0]) {
      for (const length of [13, 28, 29, 33, 61, 69, 136, 1200]) {
        const noise = nodeCrypto.random(length);
        noise.set(prologue(kind, kind === KIND.version ? 0 : VERSION, ID));
        expect(client.receive(noise)).toBeUndefined();
      }
    }
  });
});

describe('RETRY', () => {
  test('makes the client send its INIT with the cookie, once; `e` stays', () => {
    const [client, server] = [dial(), listen()];
    const first = client.initial;
    const retry = server.retry(read(server, first), FROM, 10);
    expect(retry).toHaveLength(69);
    expect(client.receive(retry)).toBe('again');
    const second = client.initial;
    const again = read(server, second);
    expect(second).toHaveLength(first.length);
    expect(again.ephemeral).toEqual(read(server, first).ephemeral);
    expect(server.proves(again, FROM, 20)).toBe(true);
    // The same once more, and another one that fits the new INIT.
    expect(client.receive(retry)).toBeUndefined();
    expect(client.receive(server.retry(again, FROM, 30))).toBeUndefined();
    expect(client.initial).toBe(second);
    const answer = server.answer(again, SERVERS);
    expect(client.receive(answer?.response ?? new Uint8Array())).toMatchObject({ peer: SERVERS });
  });

  test('of which any bit is another, or that ends early or late, changes nothing', () => {
    const [client, server] = [dial(), listen()];
    const retry = server.retry(read(server, client.initial), FROM, 10);
    const before = client.initial;
    for (const changed of flipped(retry)) expect(client.receive(changed)).toBeUndefined();
    for (let length = 0; length < retry.length; length++) {
      expect(client.receive(retry.subarray(0, length))).toBeUndefined();
    }
    expect(client.receive(Buffer.concat([retry, Uint8Array.of(0)]))).toBeUndefined();
    expect(client.initial).toBe(before);
    expect(client.receive(retry)).toBe('again');
  });

  test('to the INIT of another client, or from who has not seen ours, changes nothing', () => {
    const [client, server] = [dial(), listen()];
    expect(client.receive(server.retry(read(server, dial().initial), FROM, 10))).toBeUndefined();
    const cookie = new Uint8Array(COOKIE_BYTES);
    const start = prologue(KIND.retry, VERSION, ID);
    const blind = encodeBound(nodeCrypto, MAC_KEY, start, cookie, new Uint8Array(16));
    expect(client.receive(blind)).toBeUndefined();
    const short = encodeBound(nodeCrypto, MAC_KEY, start, cookie.subarray(1), client.initial.subarray(-16));
    expect(client.receive(short)).toBeUndefined();
  });
});

describe('a cookie', () => {
  /** An INIT that answers a RETRY which was made at `made`. */
  function withCookie(server: ServerHandshake, made: number, from: Address = FROM): Init {
    const client = dial();
    client.receive(server.retry(read(server, client.initial), from, made));
    return read(server, client.initial);
  }

  test('proves the address that it was made for, and no other', () => {
    const server = listen();
    const init = withCookie(server, 10);
    expect(server.proves(init, FROM, 20)).toBe(true);
    expect(server.proves(init, { ...FROM, port: 5001 }, 20)).toBe(false);
    expect(server.proves(init, { ...FROM, address: '192.0.2.2' }, 20)).toBe(false);
    expect(server.proves(init, { address: '192.0.2.15', port: 0 }, 20)).toBe(false);
  });

  test('is good for one ephemeral key, with one server', () => {
    const server = listen();
    const init = withCookie(server, 10);
    const other = read(server, dial().initial);
    expect(server.proves({ ...other, cookie: init.cookie }, FROM, 20)).toBe(false);
    expect(listen().proves(init, FROM, 20)).toBe(false);
  });

  test('forged at any bit, or made up, proves nothing', () => {
    const server = listen();
    const init = withCookie(server, 10);
    for (const cookie of flipped(init.cookie)) expect(server.proves({ ...init, cookie }, FROM, 20)).toBe(false);
    for (const first of [0, 0x7f, 0xff]) {
      const cookie = new Uint8Array(COOKIE_BYTES).fill(first);
      expect(server.proves({ ...init, cookie }, FROM, 20)).toBe(false);
    }
    expect(server.proves({ ...init, cookie: new Uint8Array() }, FROM, 20)).toBe(false);
  });

  test('is good for two minutes, and not before it was made', () => {
    const server = listen();
    const init = withCookie(server, 1000);
    expect([999, 1000, 121_000, 121_001].map((now) => server.proves(init, FROM, now))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test('outlives one change of the secret, and not two', () => {
    const server = listen();
    const early = withCookie(server, 119_000);
    // At 120,000 the secret changes, at 240,000 again: then no secret of its time is left.
    expect(server.proves(early, FROM, 120_500)).toBe(true);
    expect(server.proves(early, FROM, 238_999)).toBe(true);
    const secrets: Uint8Array[] = [];
    const random = (length: number): Uint8Array => {
      const bytes = nodeCrypto.random(length);
      secrets.push(bytes);
      return bytes;
    };
    const counted = listen(0, { ...nodeCrypto, random });
    for (let now = 0; now <= 600_000; now += 1000) counted.proves(early, FROM, now);
    expect(secrets).toHaveLength(6);
    expect(new Set(secrets.map((secret) => Buffer.from(secret).toString('hex'))).size).toBe(6);
  });

  test('of before a long silence is not good with any secret', () => {
    const server = listen();
    const init = withCookie(server, 10);
    const cookie = Uint8Array.from(init.cookie);
    new DataView(cookie.buffer).setFloat64(0, 500_000);
    expect(server.proves({ ...init, cookie }, FROM, 500_001)).toBe(false);
    expect(server.proves(init, FROM, 500_001)).toBe(false);
  });
});

describe('VERSION', () => {
  /** An INIT of a version to come. */
  function future(): Uint8Array {
    const init = new Uint8Array(1200);
    init.set(prologue(KIND.init, VERSION + 1, ID));
    init.set(nodeCrypto.mac(MAC_KEY, init.subarray(0, 1184)).subarray(0, 16), 1184);
    return init;
  }

  /** A VERSION with this list, for the INIT with this mac. */
  function made(list: readonly number[], initMac: Uint8Array): Uint8Array {
    const body = Uint8Array.from(list);
    return encodeBound(nodeCrypto, MAC_KEY, prologue(KIND.version, 0, ID), body, initMac);
  }
  const OURS = [0x55, 0x44, 0x50, 0x32];
  const OTHER = [0x55, 0x44, 0x50, 0x33];

  test('answers an INIT of another version, if its mac fits', () => {
    const server = listen();
    expect(server.read(future())).toBe('version');
    const wrong = future();
    wrong[1199] = (wrong[1199] ?? 0) ^ 1;
    expect(server.read(wrong)).toBeUndefined();
    const answer = server.versions(future());
    expect(answer.length).toBeLessThan(1200);
    expect([...answer.subarray(0, 17)]).toEqual([KIND.version, 0, 0, 0, 0, ...ID, ...OURS]);
  });

  test('without our version ends the handshake', () => {
    const client = dial();
    expect(client.receive(made(OTHER, client.initial.subarray(-16)))).toBe('version');
    expect(dial().receive(made(OTHER, client.initial.subarray(-16)))).toBeUndefined();
  });

  test('with our version in it is a forgery: that server would have answered', () => {
    const client = dial();
    const mac = client.initial.subarray(-16);
    expect(client.receive(made(OURS, mac))).toBeUndefined();
    expect(client.receive(made([...OTHER, ...OURS], mac))).toBeUndefined();
    expect(client.receive(made([...OURS, ...OTHER], mac))).toBeUndefined();
  });

  test('of which any bit is another, or with a part of a number, is ignored', () => {
    const client = dial();
    const mac = client.initial.subarray(-16);
    const right = made(OTHER, mac);
    // The four bytes of its own version are authenticated, too.
    for (const changed of flipped(right)) expect(client.receive(changed)).toBeUndefined();
    for (let length = 0; length < right.length; length++) {
      expect(client.receive(right.subarray(0, length))).toBeUndefined();
    }
    expect(client.receive(made([...OTHER, 1], mac))).toBeUndefined();
  });

  test('that names none at all is ignored', () => {
    const client = dial();
    expect(client.receive(made([], client.initial.subarray(-16)))).toBeUndefined();
  });
});

test('a list of parameters as long as can be leaves INIT at 1200 bytes', () => {
  const most = Number.MAX_SAFE_INTEGER;
  const parameters = { ...PARAMETERS, credit: most, streamCredit: most, packetStreams: 2 ** 48, packetBytes: 2 ** 48 };
  expect(encodeParameters(parameters).length).toBeLessThan(200);
  const client = new ClientHandshake({ crypto: nodeCrypto, serverKey: KEY.publicKey, id: ID, parameters });
  expect(client.initial).toHaveLength(1200);
});
