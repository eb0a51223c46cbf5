import { describe, expect, test } from 'vitest';
import type { WorkerChannel } from '../core/index.ts';
import type { Address } from '../udpack/index.ts';
import { nodeCrypto } from './crypto.ts';
import { SharedPort, whenKnown, workerKeysOf } from './shared-port.ts';

const KEY = nodeCrypto.keyPairOf(new Uint8Array(32).fill(7));
const PORT: Address = { address: '0.0.0.0', port: 4000 };

/** Processes that hear each other, in one. */
class Hub {
  readonly ends = new Map<number, End>();
  /** Whether what is sent is lost. */
  full = false;

  join(self: number): End {
    const end = new End(this, self);
    this.ends.set(self, end);
    this.changed();
    return end;
  }

  leave(self: number): void {
    this.ends.delete(self);
    this.changed();
  }

  changed(): void {
    for (const end of this.ends.values()) for (const hear of [...end.lookers]) hear();
  }
}

class End implements WorkerChannel {
  readonly self: number;
  readonly lookers = new Set<() => void>();
  readonly handlers = new Set<(from: number, bytes: Uint8Array) => void>();
  known = true;
  readonly #hub: Hub;

  constructor(hub: Hub, self: number) {
    this.#hub = hub;
    this.self = self;
  }

  workers(): readonly number[] | undefined {
    return this.known ? [...this.#hub.ends.keys()].toSorted((a, b) => a - b) : undefined;
  }

  forward(worker: number, bytes: Uint8Array): boolean {
    if (this.#hub.full || !this.known) return false;
    const copy = bytes.slice();
    for (const hear of [...(this.#hub.ends.get(worker)?.handlers ?? [])]) hear(this.self, copy);
    return true;
  }

  onForwarded(handler: (from: number, bytes: Uint8Array) => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }

  onWorkers(handler: () => void): () => void {
    this.lookers.add(handler);
    return () => this.lookers.delete(handler);
  }
}

function takersOf(...ports: readonly SharedPort[]): (readonly number[])[] {
  return ports.map(({ options }) => options.takers());
}

describe('who takes sessions in', () => {
  test('is known to all, whoever comes first, and when one stops or dies', () => {
    const hub = new Hub();
    const first = new SharedPort(hub.join(3), KEY, PORT);
    first.takes = true;
    expect(takersOf(first)).toEqual([[3]]);
    const second = new SharedPort(hub.join(1), KEY, PORT);
    expect(takersOf(first, second)).toEqual([[3], [3]]);
    second.takes = true;
    expect(takersOf(first, second)).toEqual([
      [1, 3],
      [1, 3],
    ]);
    const third = new SharedPort(hub.join(200), KEY, PORT);
    third.takes = true;
    expect(takersOf(first, second, third)).toEqual([
      [1, 3, 200],
      [1, 3, 200],
      [1, 3, 200],
    ]);
    second.takes = false;
    expect(takersOf(first, second, third)).toEqual([
      [3, 200],
      [3, 200],
      [3, 200],
    ]);
    hub.leave(200);
    expect(takersOf(first, second)).toEqual([[3], [3]]);
    // The next one of that number has to say so itself.
    const again = new SharedPort(hub.join(200), KEY, PORT);
    expect(takersOf(first, second, again)).toEqual([[3], [3], [3]]);
    again.takes = true;
    again.close();
    expect(takersOf(first, second)).toEqual([[3], [3]]);
  });

  test('is of one port: another address, port or key is nothing to it', () => {
    const hub = new Hub();
    const [one, other] = [hub.join(0), hub.join(1)];
    const here = new SharedPort(one, KEY, PORT);
    here.takes = true;
    const elsewhere = [
      new SharedPort(other, KEY, { ...PORT, port: 4001 }),
      new SharedPort(other, KEY, { ...PORT, address: '127.0.0.1' }),
      new SharedPort(other, nodeCrypto.keyPair(), PORT),
    ];
    for (const port of elsewhere) port.takes = true;
    expect(takersOf(here, ...elsewhere)).toEqual([[0], [1], [1], [1]]);
  });

  test('comes to be known when the channel does', () => {
    const hub = new Hub();
    const end = hub.join(0);
    const other = new SharedPort(hub.join(1), KEY, PORT);
    other.takes = true;
    end.known = false;
    const port = new SharedPort(end, KEY, PORT);
    port.takes = true;
    expect(takersOf(port, other)).toEqual([[0], [1]]);
    end.known = true;
    hub.changed();
    expect(takersOf(port, other)).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  test('who was not heard when he stopped says so once more', () => {
    const hub = new Hub();
    const [here, away] = [new SharedPort(hub.join(0), KEY, PORT), new SharedPort(hub.join(1), KEY, PORT)];
    away.takes = true;
    hub.full = true;
    away.takes = false;
    hub.full = false;
    expect(takersOf(here)).toEqual([[1]]);
    let heard = 0;
    away.onForwarded = () => heard++;
    here.options.forward(1, Uint8Array.of(0xd0, 1, 2), { address: '10.0.0.1', port: 5 });
    expect([takersOf(here), heard]).toEqual([[[]], 0]);
  });
});

describe('a datagram', () => {
  test('comes with its bytes and where it came from, of any length and any address', () => {
    const hub = new Hub();
    const one = new SharedPort(hub.join(0), KEY, PORT);
    const other = new SharedPort(hub.join(1), KEY, PORT);
    const heard: [number, Address][] = [];
    other.onForwarded = (bytes, from) => heard.push([Buffer.from(bytes).readUInt32BE(bytes.length - 4), from]);
    const addresses = ['10.0.0.1', 'fe80::1%eth0', '::ffff:1.2.3.4', '2001:db8:1111:2222:3333:4444:5555:6666'];
    const sent: [number, Address][] = [];
    for (let count = 0; count < 400; count++) {
      const address = { address: addresses[(count >> 2) % 4] ?? '', port: [1, 443, 65_535][count % 3] ?? 0 };
      const bytes = Buffer.alloc([30, 1452, 2048, 9000, 65_507][count % 5] ?? 0);
      bytes.writeUInt32BE(count, bytes.length - 4);
      expect(one.options.forward(1, bytes, address)).toBe('sent');
      sent.push([count, address]);
    }
    expect(heard).toEqual(sent);
  });

  test('for a worker that is gone, that has too much to do, or while nothing is known', () => {
    const hub = new Hub();
    const end = hub.join(0);
    hub.join(1);
    const { options } = new SharedPort(end, KEY, PORT);
    const from = { address: '10.0.0.1', port: 1 };
    const forward = (worker: number): string => options.forward(worker, new Uint8Array(40), from);
    hub.full = true;
    expect([forward(1), forward(2)]).toEqual(['busy', 'gone']);
    end.known = false;
    expect([forward(1), forward(2)]).toEqual(['busy', 'busy']);
  });

  test('what is cut short, or of another kind, is nothing', () => {
    const hub = new Hub();
    const [one, end] = [hub.join(0), hub.join(1)];
    const port = new SharedPort(end, KEY, PORT);
    let whole: Uint8Array = new Uint8Array();
    end.handlers.add((_, bytes) => {
      if (whole.length === 0 && bytes[0] === 1) whole = bytes;
    });
    new SharedPort(one, KEY, PORT).options.forward(1, new Uint8Array(40), { address: '10.0.0.1', port: 1 });
    let heard = 0;
    port.onForwarded = () => heard++;
    const head = whole.length - 40;
    for (let length = 0; length <= head; length++) one.forward(1, whole.slice(0, length));
    one.forward(1, Uint8Array.of(9, ...whole.subarray(1)));
    expect(heard).toBe(0);
    one.forward(1, whole);
    expect(heard).toBe(1);
  });
});

test('keys follow from the private key and the address, and time is that of the machine', () => {
  const keys = (key = KEY, port = PORT): string => {
    const { cipher, init, cookie } = workerKeysOf(key, port);
    const block = new Uint32Array(2);
    cipher.encrypt(block);
    return [...block, ...init, ...cookie].join();
  };
  expect(keys()).toBe(keys());
  const others = [keys(nodeCrypto.keyPair()), keys(KEY, { ...PORT, port: 1 }), keys(KEY, { ...PORT, address: '::' })];
  expect(new Set([keys(), ...others]).size).toBe(4);
  const { init, cookie, epoch } = workerKeysOf(KEY, PORT);
  expect(Buffer.compare(init, cookie)).not.toBe(0);
  expect(Math.abs(workerKeysOf(KEY, PORT).epoch - epoch)).toBeLessThan(1000);
});

test('a port is shared when it is known with whom', async () => {
  const hub = new Hub();
  const end = hub.join(0);
  await whenKnown(undefined);
  await whenKnown(end);
  end.known = false;
  let known = false;
  const waiting = whenKnown(end).then(() => (known = true));
  hub.changed();
  await Promise.resolve();
  expect(known).toBe(false);
  end.known = true;
  hub.changed();
  await waiting;
  expect(end.lookers.size).toBe(0);
  end.known = false;
  await expect(whenKnown(end, AbortSignal.abort(new Error('enough')))).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(end.lookers.size).toBe(0);
});
