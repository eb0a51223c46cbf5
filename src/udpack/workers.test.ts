import { describe, expect, test } from 'vitest';
import { CLIENT, KEY, TOKEN } from '../../test/support/udpack-pair.ts';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Speck } from '../udpack-endpoint/speck.ts';
import type { Address } from './address.ts';
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import { KIND } from './handshake/index.ts';
import type { Session } from './session.ts';
import { WorkerIds } from './worker-ids.ts';
import type { Forwarded, WorkerKeys } from './workers.ts';

const SERVER: Address = { address: '10.0.0.2', port: 2222 };
const KEYS: WorkerKeys = {
  cipher: new Speck(new Uint8Array(16)),
  init: new Uint8Array(32).fill(1),
  cookie: new Uint8Array(32).fill(2),
  epoch: 0,
};
const RESET_SECRET = new Uint8Array(32).fill(3);

interface Handed {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  readonly address: Address;
  readonly outcome: Forwarded;
}

/** Workers behind one address, and clients, on a wire of 10 ms. The test says which worker reads each datagram. */
class Port {
  now = 0;
  readonly workers: (Endpoint | undefined)[];
  readonly client: Endpoint = new Endpoint({ crypto: nodeCrypto }, 0);
  readonly handed: Handed[] = [];
  readonly auths: { readonly worker: number; readonly session: Session }[] = [];
  /** What came to the client. */
  readonly heard: Uint8Array[] = [];
  /** Which worker reads a datagram. */
  reads: (bytes: Uint8Array, count: number) => number;
  takers: number[];
  /** Packets of which clients know that they have arrived. */
  written = 0;
  busy = false;
  clientAddress: Address = CLIENT;
  #count = 0;
  readonly #options: Partial<EndpointOptions>;
  readonly #out = new Uint8Array(65_536);
  #wire: { readonly at: number; readonly run: () => void }[] = [];

  constructor(count: number, options: Partial<EndpointOptions> = {}) {
    this.#options = options;
    this.takers = Array.from({ length: count }, (_, worker) => worker);
    this.workers = this.takers.map((worker) => this.start(worker));
    this.reads = () => 0;
  }

  start(self: number): Endpoint {
    const workers = {
      self,
      // Each has a clock of its own; together with what is added they are one.
      keys: { ...KEYS, epoch: 5000 - self * 1000 },
      takers: () => this.takers,
      forward: (to: number, datagram: Uint8Array, address: Address) => this.#forward(self, to, datagram, address),
    };
    const key = { key: KEY, resetSecret: RESET_SECRET, ...this.#options };
    return new Endpoint({ crypto: nodeCrypto, ...key, workers }, this.clockOf(self));
  }

  clockOf(worker: number): number {
    return this.now + worker * 1000;
  }

  #forward(from: number, to: number, datagram: Uint8Array, address: Address): Forwarded {
    const outcome = this.workers[to] === undefined ? 'gone' : this.busy ? 'busy' : 'sent';
    const bytes = datagram.slice();
    this.handed.push({ from, to, bytes, address, outcome });
    if (outcome === 'sent') {
      this.#wire.push({
        at: this.now + 1,
        run: () => this.workers[to]?.receive(bytes, address, this.clockOf(to), true),
      });
    }
    return outcome;
  }

  /** Lets a worker read what a client has sent. */
  arrive(
    bytes: Uint8Array,
    from: Address = this.clientAddress,
    worker: number = this.reads(bytes, this.#count++),
  ): void {
    this.workers[worker]?.receive(bytes, from, this.clockOf(worker));
  }

  run(done: () => boolean, most = 30_000): void {
    const end = this.now + most;
    this.flush();
    while (!done()) {
      if (this.now >= end) throw new Error(`not done at ${this.now}`);
      this.now++;
      const due = this.#wire.filter(({ at }) => at <= this.now);
      this.#wire = this.#wire.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      this.client.tick(this.now);
      for (const [at, worker] of this.workers.entries()) worker?.tick(this.clockOf(at));
      this.flush();
    }
  }

  pass(ms: number): void {
    const until = this.now + ms;
    this.run(() => this.now >= until);
  }

  flush(): void {
    for (let round = 0; round < 2; round++) {
      this.#drain(
        this.client,
        this.now,
        (bytes) => this.arrive(bytes),
        () => {},
      );
      this.workers.forEach((worker, at) => {
        if (worker === undefined) return;
        const hear = (bytes: Uint8Array): void => {
          this.heard.push(bytes);
          this.client.receive(bytes, SERVER, this.now);
        };
        this.#drain(worker, this.clockOf(at), hear, (session) => this.#onAuth(at, session));
      });
    }
  }

  #onAuth(worker: number, session: Session): void {
    this.auths.push({ worker, session });
    session.accept();
  }

  #drain(endpoint: Endpoint, at: number, hear: (bytes: Uint8Array) => void, onAuth: (session: Session) => void): void {
    for (let length = endpoint.transmit(this.#out, at); length > 0; length = endpoint.transmit(this.#out, at)) {
      const bytes = this.#out.slice(0, length);
      this.#wire.push({ at: this.now + 10, run: () => hear(bytes) });
    }
    for (let session = endpoint.poll(); session !== undefined; session = endpoint.poll()) {
      for (let event = session.poll(); event !== undefined; event = session.poll()) {
        if (event.type === 'auth') onAuth(session);
        else if (event.type === 'written') this.written++;
      }
    }
  }

  dial(): Session {
    return this.client.dial(SERVER, KEY.publicKey, TOKEN, this.now);
  }

  /** A session that is open, and the number of the worker that owns it. */
  open(): { readonly session: Session; readonly owner: number } {
    const session = this.dial();
    const before = this.auths.length;
    this.run(() => session.state === 'open');
    return { session, owner: this.auths[before]?.worker ?? -1 };
  }
}

/** A SEALED datagram that nobody has sealed. */
function sealedTo(id: Uint8Array, length = 100): Uint8Array {
  const bytes = nodeCrypto.random(length);
  bytes[0] = 0x40;
  bytes.set(id, 1);
  return bytes;
}

describe('workers behind one port', () => {
  test('open a session in as many round trips as one alone, whoever reads its datagrams', () => {
    const port = new Port(4);
    port.reads = (_, count) => count % 4;
    const owners = new Set<number>();
    for (let count = 0; count < 24; count++) {
      const began = port.now;
      owners.add(port.open().owner);
      // Two hand-ons of 1 ms at the most.
      expect(port.now - began).toBeLessThan(43);
    }
    expect([...owners].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    expect(port.auths.length).toBe(24);
    const sessions = port.workers.reduce((sum, worker) => sum + (worker?.stats.sessions ?? 0), 0);
    expect(sessions).toBe(24);
    for (const { address } of port.handed) expect(address).toBe(CLIENT);
  });

  test('ids tell the owner to the workers', () => {
    const port = new Port(3);
    const { owner } = port.open();
    const ids = new WorkerIds(KEYS.cipher, 0);
    const sealed = port.handed.filter(({ bytes }) => bytes[0] === 0x40);
    for (const { to, bytes } of sealed) expect([owner, ids.workerOf(bytes, 1)]).toEqual([to, to]);
  });

  test('an INIT that is sent again gets the same RESPONSE, whoever reads it', () => {
    const port = new Port(3);
    const init: Uint8Array[] = [];
    port.reads = (bytes) => {
      if (bytes[0] === KIND.init) init.push(bytes);
      return 0;
    };
    port.open();
    const [first = new Uint8Array()] = init;
    // The session is half open no more: another one begins, once.
    port.heard.length = 0;
    for (const reader of [0, 1, 2, 2, 1, 0]) port.arrive(first, CLIENT, reader);
    port.run(() => port.heard.filter((bytes) => bytes[0] === KIND.response).length === 6);
    const responses = new Set(port.heard.map((bytes) => Buffer.from(bytes).toString('hex')));
    expect(responses.size).toBe(1);
  });

  test('a cookie of one worker is good for all, though their clocks say otherwise', () => {
    const port = new Port(4, { limits: { halfOpenFree: 0 } });
    port.reads = (bytes) => (bytes.at(-1) ?? 0) % 4;
    for (let count = 0; count < 8; count++) port.open();
    const retries = port.workers.map((worker) => worker?.stats.retries ?? 0);
    expect(retries.reduce((sum, each) => sum + each, 0)).toBe(8);
    expect(retries.filter((each) => each > 0).length).toBeGreaterThan(1);
  });

  test('a cookie is good for two minutes and no longer, also of another worker', () => {
    const port = new Port(2, { limits: { halfOpenFree: 0 } });
    const inits: Uint8Array[] = [];
    port.reads = (bytes) => {
      if (bytes[0] === KIND.init) inits.push(bytes);
      return 0;
    };
    port.open();
    const proved = inits[1] ?? new Uint8Array();
    for (const [reader, later, answer] of [
      [1, 100_000, KIND.response],
      [0, 21_000, KIND.retry],
    ] as const) {
      port.now += later;
      port.pass(1);
      port.heard.length = 0;
      port.arrive(proved, CLIENT, reader);
      const answered = (): number | undefined => port.heard.find(([kind = 0]) => kind > 0xd0)?.[0];
      port.run(() => answered() !== undefined);
      expect(answered()).toBe(answer);
    }
  });

  test('who has too many half-open handshakes asks for a cookie and hands nothing on', () => {
    const port = new Port(2, { limits: { halfOpenFree: 3 } });
    const init = Array.from({ length: 200 }, () => initOf());
    for (const bytes of init) port.arrive(bytes, { address: '10.9.9.9', port: 5 }, 0);
    port.run(() => port.now > 50);
    const [first, second] = port.workers;
    expect(first?.stats.halfOpen).toBe(3);
    // Until the first one had its three.
    expect(port.handed.length).toBeLessThan(40);
    expect(second?.stats.handshakes).toBeLessThanOrEqual(3);
    expect(first?.stats.retries).toBeGreaterThan(150);
  });

  test('a session goes on when its client is heard from elsewhere, by another worker', () => {
    const port = new Port(2);
    const { session, owner } = port.open();
    port.reads = () => 1 - owner;
    port.clientAddress = { address: '10.0.0.9', port: 9 };
    const stream = session.streams.open('packets');
    session.streams.write(stream, new Uint8Array(50_000), {}, port.now);
    const accepted = port.auths[0]?.session;
    port.run(() => accepted?.stats.address.port === 9 && port.written === 1);
    expect(port.handed.some(({ address }) => address === port.clientAddress)).toBe(true);
  });
});

describe('what belongs to no session', () => {
  test('is handed on to nobody without an authentic id, and answered as by one worker', () => {
    const port = new Port(2);
    for (let count = 0; count < 1000; count++) port.arrive(sealedTo(nodeCrypto.random(8)), CLIENT, count % 2);
    expect(port.handed).toEqual([]);
    expect(port.workers.map((worker) => worker?.stats.resetsSent)).toEqual([20, 20]);
  });

  test('is handed on once, and its owner says that there is no session', () => {
    const port = new Port(2);
    const id = new WorkerIds(KEYS.cipher, 1).make(nodeCrypto.random(8));
    port.arrive(sealedTo(id), CLIENT, 0);
    port.run(() => port.heard.length > 0);
    expect(port.handed.length).toBe(1);
    expect(port.workers.map((worker) => worker?.stats.resetsSent)).toEqual([0, 1]);
  });

  test('is answered by whoever gets it when its worker is gone, so that clients come back at once', () => {
    const port = new Port(2);
    const { session, owner } = port.open();
    port.workers[owner] = undefined;
    port.takers = [1 - owner];
    port.reads = () => 1 - owner;
    const began = port.now;
    session.ping(port.now);
    port.run(() => session.state === 'ended');
    expect(port.now - began).toBeLessThan(25);
    expect(port.open().owner).toBe(1 - owner);
  });

  test('is answered by the next worker of that number', () => {
    const port = new Port(2);
    const { session, owner } = port.open();
    port.workers[owner] = port.start(owner);
    port.reads = () => 1 - owner;
    session.ping(port.now);
    port.run(() => session.state === 'ended');
    expect(port.workers[owner]?.stats.resetsSent).toBe(1);
  });

  test("is dropped while its owner has too much to do: its token is nobody's to know", () => {
    const port = new Port(2);
    const { session, owner } = port.open();
    port.pass(200);
    port.busy = true;
    port.heard.length = 0;
    port.arrive(sealedTo(new WorkerIds(KEYS.cipher, owner).make(nodeCrypto.random(8))), CLIENT, 1 - owner);
    port.pass(200);
    expect(port.heard).toEqual([]);
    expect(port.workers[1 - owner]?.stats).toMatchObject({ forwardsDropped: 1, resetsSent: 0 });
    port.busy = false;
    expect(session.state).toBe('open');
  });

  test('is dropped when it was handed to the wrong one', () => {
    const port = new Port(3);
    const id = new WorkerIds(KEYS.cipher, 1).make(nodeCrypto.random(8));
    expect(port.workers[2]?.receive(sealedTo(id), CLIENT, port.clockOf(2), true)).toBe(true);
    port.run(() => port.now > 50);
    expect(port.heard).toEqual([]);
    expect(port.handed).toEqual([]);
  });
});

describe('while workers come and go', () => {
  test('an INIT that reaches two of them makes one session', () => {
    const port = new Port(2);
    let inits = 0;
    // The list changes between the first INIT and the one that is sent again.
    port.reads = (bytes) => {
      if (bytes[0] !== KIND.init) return 0;
      port.takers = [inits++ % 2];
      return inits % 2;
    };
    const session = port.dial();
    port.flush();
    port.heard.length = 0;
    port.run(() => session.state === 'open');
    port.run(() => port.now > 12_000);
    expect(port.auths.length).toBe(1);
    expect(port.workers.reduce((sum, worker) => sum + (worker?.stats.sessions ?? 0), 0)).toBe(1);
  });

  test('one that stops takes nobody in, hands INITs on and keeps its sessions', () => {
    const port = new Port(2);
    const { session, owner } = port.open();
    const worker = port.workers[owner];
    if (worker !== undefined) worker.closed = true;
    port.takers = [1 - owner];
    port.reads = () => owner;
    expect(port.open().owner).toBe(1 - owner);
    session.ping(port.now);
    const stream = session.streams.open('packets');
    session.streams.write(stream, new Uint8Array(5000), {}, port.now);
    port.run(() => port.written === 1);
    expect(session.state).toBe('open');
  });

  test('nobody takes sessions in: INITs are dropped', () => {
    const port = new Port(2);
    port.takers = [];
    for (const worker of port.workers) if (worker !== undefined) worker.closed = true;
    port.arrive(initOf(), CLIENT, 0);
    port.run(() => port.now > 50);
    expect(port.heard).toEqual([]);
    expect(port.workers[0]?.stats.stray).toBe(1);
  });
});

function initOf(): Uint8Array {
  const client = new Endpoint({ crypto: nodeCrypto }, 0);
  client.dial(SERVER, KEY.publicKey, TOKEN, 0);
  const out = new Uint8Array(2000);
  return out.slice(0, client.transmit(out, 0));
}
