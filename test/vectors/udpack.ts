import { readFileSync } from 'node:fs';
import { FRAME, FrameWriter } from '../../src/udpack/frames.ts';
import { macKey, prologue } from '../../src/udpack/handshake/datagrams.ts';
import { ClientHandshake, type Established, ServerHandshake } from '../../src/udpack/handshake/index.ts';
import { encodeParameters } from '../../src/udpack/handshake/parameters.ts';
import type { Address, Crypto, Parameters } from '../../src/udpack/index.ts';
import { expand, Protection, SEALED_HEADER_BYTES, writeSealedHeader } from '../../src/udpack/protection.ts';
import { WorkerIds } from '../../src/udpack/worker-ids.ts';
import { Routing } from '../../src/udpack/workers.ts';
import { nodeCrypto } from '../../src/udpack-endpoint/crypto.ts';
import { workerSecretsOf } from '../../src/udpack-endpoint/shared-port.ts';
import { Speck } from '../../src/udpack-endpoint/speck.ts';
import { fromHex } from './vectors.ts';

/** A value of docs/udpack-vectors.json: bytes are hex. */
export type Vector = string | number | readonly Vector[] | { readonly [name: string]: Vector };

/** What all the rest is made of. */
const CHOSEN = {
  serverPrivate: filled(0x51, 32),
  clientEphemeralPrivate: filled(0xc1, 32),
  serverEphemeralPrivate: filled(0x5e, 32),
  clientId: filled(0x01, 8),
  serverId: filled(0x81, 8),
  cookieSecret: filled(0xa0, 32),
  resetSecret: filled(0xb0, 32),
};
const CLIENT: Address = { address: '192.0.2.7', port: 40_000 };
/** When the RETRY is made, in ms. */
const NOW = 1234.5;
const TOKEN = fromHex('746f6b656e');

export const VECTORS_FILE: URL = new URL('../../docs/udpack-vectors.json', import.meta.url);

export function readUdpackVectors(): Vector {
  return JSON.parse(readFileSync(VECTORS_FILE, 'utf8')) as Vector;
}

/** What the file has to say, made by the code. */
export function makeUdpackVectors(): Vector {
  const shaken = shake();
  return {
    about:
      'What UDPack 2 is byte for byte, from keys and chance that are fixed. docs/UDPACK.md, "Test vectors", explains it.',
    chosen: {
      serverPrivate: hex(CHOSEN.serverPrivate),
      serverPublic: hex(nodeCrypto.keyPairOf(CHOSEN.serverPrivate).publicKey),
      clientEphemeralPrivate: hex(CHOSEN.clientEphemeralPrivate),
      clientEphemeralPublic: hex(nodeCrypto.keyPairOf(CHOSEN.clientEphemeralPrivate).publicKey),
      serverEphemeralPrivate: hex(CHOSEN.serverEphemeralPrivate),
      serverEphemeralPublic: hex(nodeCrypto.keyPairOf(CHOSEN.serverEphemeralPrivate).publicKey),
      clientId: hex(CHOSEN.clientId),
      serverId: hex(CHOSEN.serverId),
    },
    parameters: { client: parameters(clientParameters()), server: parameters(serverParameters()) },
    handshake: handshake(shaken),
    retry: retry(),
    version: version(),
    sealed: {
      client: secrets(shaken.client.sendSecret),
      server: secrets(shaken.server.sendSecret),
      datagrams: datagrams(shaken),
    },
    reset: reset(),
    workers: workers(),
  };
}

interface Shaken {
  readonly init: Uint8Array;
  readonly response: Uint8Array;
  readonly client: Established;
  readonly server: Established;
}

function shake(): Shaken {
  const client = dial();
  const server = listen();
  const init = server.read(client.initial);
  if (init === undefined || init === 'version') throw new Error('no INIT');
  const answered = server.answer(init, serverParameters());
  const established = answered && client.receive(answered.response);
  if (typeof established !== 'object') throw new Error('no handshake');
  return {
    init: client.initial,
    response: answered?.response ?? init.mac,
    client: established,
    server: answered?.established ?? established,
  };
}

function handshake({ init, response, client }: Shaken): Vector {
  return {
    prologue: hex(prologue(0xd0, 0x55445032, CHOSEN.clientId)),
    macKey: hex(macKey(nodeCrypto, nodeCrypto.keyPairOf(CHOSEN.serverPrivate).publicKey)),
    init: hex(init),
    response: hex(response),
    hash: hex(client.hash),
    clientSecret: hex(client.sendSecret),
    serverSecret: hex(client.receiveSecret),
  };
}

function retry(): Vector {
  const client = dial();
  const server = listen();
  const init = server.read(client.initial);
  if (init === undefined || init === 'version') throw new Error('no INIT');
  const datagram = server.retry(init, CLIENT, NOW);
  client.receive(datagram);
  return {
    time: NOW,
    secret: hex(CHOSEN.cookieSecret),
    address: CLIENT.address,
    port: CLIENT.port,
    cookie: hex(datagram.subarray(13, 53)),
    retry: hex(datagram),
    initAgain: hex(client.initial),
  };
}

/** An INIT of a version that nobody speaks, and the answer. */
function version(): Vector {
  const key = macKey(nodeCrypto, nodeCrypto.keyPairOf(CHOSEN.serverPrivate).publicKey);
  const init = new Uint8Array(1200);
  init.set(prologue(0xd0, 0x55445033, CHOSEN.clientId));
  init.set(nodeCrypto.mac(key, init.subarray(0, 1184)).subarray(0, 16), 1184);
  return { init: hex(init), version: hex(listen().versions(init)) };
}

function parameters(said: Parameters): Vector {
  const { id, resetToken, ...numbers } = said;
  const bytes = id !== undefined && resetToken !== undefined ? { id: hex(id), resetToken: hex(resetToken) } : {};
  return { ...bytes, ...numbers, encoded: hex(encodeParameters(said)) };
}

/** Keys of a direction before its key was changed, and after. */
function secrets(secret: Uint8Array): Vector {
  return [secret, expand(nodeCrypto, secret, 'udpack 2 next')].map((each) => ({
    secret: hex(each),
    key: hex(expand(nodeCrypto, each, 'udpack 2 key')),
    iv: hex(expand(nodeCrypto, each, 'udpack 2 iv').subarray(0, 12)),
    next: hex(expand(nodeCrypto, each, 'udpack 2 next')),
  }));
}

function datagrams({ client, server }: Shaken): Vector {
  const fromClient = new Sealer(client, CHOSEN.serverId);
  const fromServer = new Sealer(server, CHOSEN.clientId);
  const made = [
    { what: "the client's first", from: 'client', ...fromClient.seal(0, 0, auth) },
    { what: "the server's first", from: 'server', ...fromServer.seal(0, 0, accept) },
    { what: 'to the id with sequence number 3', from: 'client', ...fromClient.seal(3, 0, ping) },
    { what: 'a number of more than 32 bits', from: 'client', ...fromClient.seal(3, 2 ** 32 + 5, ping) },
  ];
  fromClient.update();
  return [...made, { what: 'after a change of the key', from: 'client', ...fromClient.seal(0, 1, ping) }];
}

const auth = (writer: FrameWriter): unknown => writer.counted(FRAME.auth, TOKEN);
const accept = (writer: FrameWriter): unknown => writer.numbers(FRAME.accept);
const ping = (writer: FrameWriter): unknown => writer.numbers(FRAME.ping);

/** One side that seals. */
class Sealer {
  readonly #protection: Protection;
  readonly #id: Uint8Array;

  constructor(established: Established, id: Uint8Array) {
    const limits = { bytes: 1e9, age: 1e9, forgeries: 1e9 };
    this.#protection = new Protection({ ...established, crypto: nodeCrypto, limits }, 0);
    this.#id = id;
  }

  update(): void {
    this.#protection.update();
  }

  seal(sequence: number, number: number, write: (writer: FrameWriter) => unknown): Record<string, Vector> {
    const bytes = new Uint8Array(100);
    // Each id of the same receiver is another one: the sequence number stands in its last byte.
    const id = Uint8Array.from(this.#id);
    id[7] = (id[7] ?? 0) + sequence;
    writeSealedHeader(bytes, id, number);
    const writer = new FrameWriter(bytes, SEALED_HEADER_BYTES, 80);
    write(writer);
    const frames = hex(bytes.subarray(SEALED_HEADER_BYTES, writer.at));
    const length = this.#protection.seal(bytes, writer.at, sequence, number, 0);
    const phase = this.#protection.sendPhase;
    return { id: hex(id), sequence, number, phase, frames, datagram: hex(bytes.subarray(0, length)) };
  }
}

function reset(): Vector {
  const token = tokenOfServerId();
  return { secret: hex(CHOSEN.resetSecret), id: hex(CHOSEN.serverId), token: hex(token) };
}

/** What workers of one server make for themselves, some ids of theirs, and who takes the handshake with the client's ephemeral key. */
function workers(): Vector {
  const bound = { address: '0.0.0.0', port: 443 };
  const keys = workerSecretsOf(nodeCrypto.keyPairOf(CHOSEN.serverPrivate), bound);
  const cipher = new Speck(keys.id);
  const ids = [0, 1, 128, 255].map((worker, at) => {
    // The first three bytes of what chance gives are not used.
    const random = filled(0x11 * (at + 1), 8);
    const id = new WorkerIds(cipher, worker).make(random.slice());
    return { worker, random: hex(random.subarray(3)), id: hex(id) };
  });
  const takers = [0, 3, 7, 9, 200];
  const clock = { cipher, init: keys.init, cookie: keys.cookie, epoch: 600_000 };
  const options = { self: 0, keys: clock, takers: () => takers, forward: () => 'gone' as const };
  const ephemeral = nodeCrypto.keyPairOf(CHOSEN.clientEphemeralPrivate).publicKey;
  const taker = new Routing(nodeCrypto, options).takerOf(ephemeral);
  const init = listen().read(dial().initial);
  if (init === undefined || init === 'version') throw new Error('no INIT');
  const server = new ServerHandshake(nodeCrypto, nodeCrypto.keyPairOf(CHOSEN.serverPrivate), NOW, clock);
  const cookie = server.retry(init, CLIENT, NOW).subarray(13, 53);
  return {
    ...bound,
    idKey: hex(keys.id),
    initSecret: hex(keys.init),
    cookieSecret: hex(keys.cookie),
    ids,
    takers: takers.join(' '),
    taker,
    time: clock.epoch + NOW,
    cookie: hex(cookie),
  };
}

function tokenOfServerId(): Uint8Array {
  return nodeCrypto.mac(CHOSEN.resetSecret, CHOSEN.serverId).slice(0, 16);
}

/** What both sides say; written out here, so that another default leaves the file as it is. */
const SAID: Omit<Parameters, 'id' | 'resetToken'> = {
  credit: 1_048_576,
  streamCredit: 262_144,
  packetStreams: 1000,
  byteStreams: 100,
  packetBytes: 16_777_216,
  datagramSize: 1452,
  idle: 30_000,
  ackDelay: 20,
  unreliableBytes: 65_535,
  ids: 8,
};

function clientParameters(): Parameters {
  return { id: undefined, resetToken: undefined, ...SAID };
}

function serverParameters(): Parameters {
  return { id: CHOSEN.serverId, resetToken: tokenOfServerId(), ...SAID };
}

function dial(): ClientHandshake {
  return new ClientHandshake({
    crypto: fixed(CHOSEN.clientEphemeralPrivate),
    serverKey: nodeCrypto.keyPairOf(CHOSEN.serverPrivate).publicKey,
    id: CHOSEN.clientId,
    parameters: clientParameters(),
  });
}

function listen(): ServerHandshake {
  const crypto = fixed(CHOSEN.serverEphemeralPrivate);
  return new ServerHandshake(crypto, nodeCrypto.keyPairOf(CHOSEN.serverPrivate), NOW);
}

/** Cryptography without chance. */
function fixed(ephemeral: Uint8Array): Crypto {
  return { ...nodeCrypto, keyPair: () => nodeCrypto.keyPairOf(ephemeral), random: () => CHOSEN.cookieSecret };
}

/** Bytes that count up. */
function filled(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (first + at) & 255);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
