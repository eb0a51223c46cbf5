import {
  createCipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from 'node:crypto';
import { expect, test } from 'vitest';
import { makeUdpackVectors, readUdpackVectors } from '../../test/vectors/udpack.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Protection, readNumber } from './protection.ts';

interface Phase {
  readonly secret: string;
  readonly key: string;
  readonly iv: string;
  readonly next: string;
}

interface File {
  readonly chosen: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<'client' | 'server', { readonly encoded: string }>>;
  readonly handshake: Readonly<Record<string, string>>;
  readonly retry: Readonly<Record<string, string>> & { readonly time: number; readonly port: number };
  readonly version: { readonly init: string; readonly version: string };
  readonly sealed: Readonly<Record<'client' | 'server', readonly Phase[]>> & {
    readonly datagrams: readonly {
      readonly what: string;
      readonly from: 'client' | 'server';
      readonly id: string;
      readonly sequence: number;
      readonly number: number;
      readonly phase: number;
      readonly frames: string;
      readonly datagram: string;
    }[];
  };
  readonly reset: { readonly secret: string; readonly id: string; readonly token: string };
  readonly workers: Readonly<
    Record<'address' | 'takers' | 'idKey' | 'initSecret' | 'cookieSecret' | 'cookie', string>
  > & {
    readonly port: number;
    readonly ids: readonly { readonly worker: number; readonly random: string; readonly id: string }[];
    readonly taker: number;
    readonly time: number;
  };
}

const file = readUdpackVectors() as unknown as File;
const { chosen, handshake, parameters, sealed } = file;

test('the code makes what docs/udpack-vectors.json says', () => {
  expect(makeUdpackVectors()).toEqual(file);
});

/** What follows is written from docs/UDPACK.md with node:crypto alone, so that the file is not only the code's own opinion. */
const of = (text = ''): Buffer => Buffer.from(text, 'hex');
const sha = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer =>
  createHmac('sha256', key).update(Buffer.concat(parts)).digest();

function keyOf(text = ''): KeyObject {
  const der = Buffer.concat([of('302e020100300506032b656e04220420'), of(text)]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

function publicOf(text: string): KeyObject {
  return createPublicKey({
    key: Buffer.concat([of('302a300506032b656e032100'), of(text)]),
    format: 'der',
    type: 'spki',
  });
}

function shared(own = '', other = ''): Buffer {
  return diffieHellman({ privateKey: keyOf(own), publicKey: publicOf(other) });
}

function seal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, text: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(header, { plaintextLength: text.length });
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

function hkdf(key: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const temporary = hmac(key, input);
  const first = hmac(temporary, Uint8Array.of(1));
  return [first, hmac(temporary, first, Uint8Array.of(2))];
}

/** Both messages of Noise NK, and what comes of them. */
function noise(payload1: Uint8Array, payload2: Uint8Array) {
  const zero = new Uint8Array(12);
  let hash: Buffer = Buffer.from('Noise_NK_25519_ChaChaPoly_SHA256');
  let chain = hash;
  let key = hash;
  const mix = (...parts: readonly Uint8Array[]): void => {
    for (const part of parts) hash = sha(hash, part);
  };
  const mixKey = (input: Uint8Array): void => {
    [chain, key] = hkdf(chain, input);
  };
  mix(of(handshake['prologue']), of(chosen['serverPublic']), of(chosen['clientEphemeralPublic']));
  mixKey(shared(chosen['serverPrivate'], chosen['clientEphemeralPublic']));
  const first = seal(key, zero, hash, payload1);
  mix(first, of(chosen['serverEphemeralPublic']));
  mixKey(shared(chosen['serverEphemeralPrivate'], chosen['clientEphemeralPublic']));
  const second = seal(key, zero, hash, payload2);
  mix(second);
  const [clientSecret, serverSecret] = hkdf(chain, new Uint8Array());
  return { first, second, hash, clientSecret, serverSecret };
}

const mac1 = sha(Buffer.from('UDPack 2 mac 1'), of(chosen['serverPublic']));
const tagOf = (...parts: readonly Uint8Array[]): Buffer => hmac(mac1, ...parts).subarray(0, 16);

test('INIT, RESPONSE and secrets are those of the page', () => {
  const padded = Buffer.alloc(1200 - 13 - 1 - 40 - 32 - 16 - 16);
  of(parameters.client.encoded).copy(padded);
  const made = noise(padded, of(parameters.server.encoded));
  const noCookie = Buffer.concat([of('28'), Buffer.alloc(40)]);
  const start = Buffer.concat([of(handshake['prologue']), noCookie, of(chosen['clientEphemeralPublic']), made.first]);
  expect(Buffer.concat([start, tagOf(start)]).toString('hex')).toBe(handshake['init']);
  const head = Buffer.concat([of('d155445032'), of(chosen['clientId']), of(chosen['serverEphemeralPublic'])]);
  expect(Buffer.concat([head, made.second]).toString('hex')).toBe(handshake['response']);
  const names = ['hash', 'clientSecret', 'serverSecret'] as const;
  for (const name of names) expect(made[name].toString('hex')).toBe(handshake[name]);
});

test('RETRY, VERSION and the token of a reset are those of the page', () => {
  const { retry, version, reset } = file;
  const initMac = of(handshake['init']).subarray(-16);
  const body = Buffer.concat([of('d255445032'), of(chosen['clientId']), of(retry['cookie'])]);
  expect(Buffer.concat([body, tagOf(initMac, body)]).toString('hex')).toBe(retry['retry']);
  const time = Buffer.alloc(8);
  time.writeDoubleBE(retry.time);
  const where = Buffer.from(`${retry['address']} ${retry.port} `);
  const cookie = hmac(of(retry['secret']), time, where, of(chosen['clientEphemeralPublic']));
  expect(Buffer.concat([time, cookie]).toString('hex')).toBe(retry['cookie']);
  const init = of(handshake['init']);
  const again = Buffer.concat([init.subarray(0, 13), of('28'), of(retry['cookie']), init.subarray(54, -16)]);
  expect(Buffer.concat([again, tagOf(again)]).toString('hex')).toBe(retry['initAgain']);
  const list = Buffer.concat([of('d300000000'), of(chosen['clientId']), of('55445032')]);
  expect(Buffer.concat([list, tagOf(of(version.init).subarray(-16), list)]).toString('hex')).toBe(version.version);
  expect(hmac(of(reset.secret), of(reset.id)).subarray(0, 16).toString('hex')).toBe(reset.token);
});

test('what workers that share a port make is that of the page', () => {
  const { workers, retry } = file;
  const der = Buffer.concat([of('302e020100300506032b656e04220420'), of(chosen['serverPrivate'])]);
  const root = hmac(der, Buffer.from(`udpack 2 workers ${workers.address} ${workers.port}`));
  const derived = (label: string): Buffer => hmac(root, Buffer.from(label));
  expect(derived('id').subarray(0, 16).toString('hex')).toBe(workers.idKey);
  expect(derived('init').toString('hex')).toBe(workers.initSecret);
  expect(derived('cookie').toString('hex')).toBe(workers.cookieSecret);
  for (const { worker, random, id } of workers.ids) {
    const block = Buffer.concat([Uint8Array.of(worker, 0, 0), of(random)]);
    expect(speck(of(workers.idKey), block).toString('hex')).toBe(id);
  }
  const word = hmac(of(workers.initSecret), of(chosen['clientEphemeralPublic'])).readUInt32BE();
  const takers = workers.takers.split(' ').map(Number);
  expect(takers[word % takers.length]).toBe(workers.taker);
  const [time, since] = [Buffer.alloc(8), Buffer.alloc(8)];
  time.writeDoubleBE(workers.time);
  since.writeDoubleBE(Math.floor(workers.time / 120_000) * 120_000);
  const where = Buffer.from(`${retry['address']} ${retry.port} `);
  const cookie = hmac(hmac(of(workers.cookieSecret), since), time, where, of(chosen['clientEphemeralPublic']));
  expect(Buffer.concat([time, cookie]).toString('hex')).toBe(workers.cookie);
});

/** Speck64/128 of one block, with numbers of any length. */
function speck(key: Buffer, block: Buffer): Buffer {
  const mask = 2n ** 32n - 1n;
  const left = (word: bigint, by: bigint): bigint => ((word << by) | (word >> (32n - by))) & mask;
  const words = [0, 4, 8, 12].map((at) => BigInt(key.readUInt32BE(at))).toReversed();
  const [first = 0n, ...more] = words;
  let [x, y, round] = [BigInt(block.readUInt32BE(0)), BigInt(block.readUInt32BE(4)), first];
  for (let at = 0n; at < 27n; at++) {
    x = ((left(x, 24n) + y) & mask) ^ round;
    y = left(y, 3n) ^ x;
    const next = ((round + left(more.shift() ?? 0n, 24n)) & mask) ^ at;
    more.push(next);
    round = left(round, 3n) ^ next;
  }
  return Buffer.from(((x << 32n) | y).toString(16).padStart(16, '0'), 'hex');
}

test.each(['client', 'server'] as const)('the keys of the %s are those of the page', (side) => {
  let secret: Uint8Array = of(handshake[`${side}Secret`]);
  for (const phase of sealed[side]) {
    const expand = (label: string): Buffer => hmac(secret, Buffer.from(label), Uint8Array.of(1));
    const [key, iv, next] = [expand('udpack 2 key'), expand('udpack 2 iv').subarray(0, 12), expand('udpack 2 next')];
    expect([secret, key, iv, next].map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual([
      phase.secret,
      phase.key,
      phase.iv,
      phase.next,
    ]);
    secret = next;
  }
});

test.each(sealed.datagrams)('sealed is as on the page, and opens: $what', (vector) => {
  const phase = sealed[vector.from][vector.phase];
  const header = Buffer.alloc(13);
  header[0] = vector.phase === 0 ? 0x40 : 0x60;
  of(vector.id).copy(header, 1);
  header.writeUInt32BE(vector.number % 2 ** 32, 9);
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(vector.sequence, 0);
  nonce.writeBigUInt64BE(BigInt(vector.number), 4);
  const iv = of(phase?.iv);
  for (let at = 0; at < 12; at++) nonce[at] = (nonce[at] ?? 0) ^ (iv[at] ?? 0);
  const datagram = Buffer.concat([header, seal(of(phase?.key), nonce, header, of(vector.frames))]);
  expect(datagram.toString('hex')).toBe(vector.datagram);

  const secret = of(handshake[`${vector.from}Secret`]);
  const limits = { bytes: 1e9, age: 1e9, forgeries: 1 };
  const opener = new Protection({ crypto: nodeCrypto, sendSecret: secret, receiveSecret: secret, limits }, 0);
  const number = readNumber(datagram, vector.number - 1);
  expect(number).toBe(vector.number);
  const opened = opener.open(datagram, vector.sequence, number, 0, 100);
  expect(opened && Buffer.from(opened).toString('hex')).toBe(vector.frames);
  // Under any other id of the same side, the same bytes open to nothing.
  expect(opener.open(datagram, vector.sequence + 1, number, 0, 100)).toBeUndefined();
});
