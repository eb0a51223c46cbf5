import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { now } from '../runtime/index.ts';
import type { Address, Endpoint, Session } from '../udpack/index.ts';
import { Driver } from './driver.ts';
import type { UdpPort, UdpPortHandler } from './udp-port.ts';

const PEER: Address = { address: '192.0.2.1', port: 7 };

type Done = (error: Error | null) => void;

/** A socket whose system keeps what is sent until it is told to be done. */
class FakePort {
  handler: UdpPortHandler | undefined;
  readonly sent: string[] = [];
  readonly held: Done[] = [];
  log: string[] = [];

  start(handler: UdpPortHandler): void {
    this.handler = handler;
  }

  send(bytes: Uint8Array, length: number, to: Address, done: Done): void {
    this.sent.push(`${Buffer.from(bytes).toString('latin1', 0, length)} ${to.port}`);
    this.held.push(done);
  }

  release(error: Error | null = null): void {
    for (const done of this.held.splice(0)) done(error);
  }

  ref(): void {
    this.log.push('ref');
  }

  unref(): void {
    this.log.push('unref');
  }

  async close(): Promise<void> {
    this.log.push('close');
  }
}

/** A machine that sends what it is given, and has events for one session. */
class FakeEndpoint {
  destination = PEER;
  deadline: number | undefined;
  toSend: string[] = [];
  toTell = 0;
  readonly log: string[] = [];

  /** Whether what comes is its own, and no other worker's. */
  takes = true;

  receive(bytes: Uint8Array): boolean {
    this.log.push(`receive ${Buffer.from(bytes).toString()}`);
    return this.takes;
  }

  transmit(out: Uint8Array): number {
    const next = this.toSend.shift() ?? '';
    return Buffer.from(out.buffer, out.byteOffset).write(next, 'latin1');
  }

  poll(): Session | undefined {
    return this.toTell-- > 0 ? ({} as Session) : undefined;
  }

  tick(): void {
    this.log.push('tick');
    this.deadline = undefined;
  }
}

let port: FakePort;
let endpoint: FakeEndpoint;
let driver: Driver;
let onEvents: () => void;
let failed: unknown[];
let bytes: { received: number; sent: number };

beforeEach(() => {
  port = new FakePort();
  endpoint = new FakeEndpoint();
  failed = [];
  onEvents = () => {};
  bytes = { received: 0, sent: 0 };
  driver = new Driver(endpoint as unknown as Endpoint, port as unknown as UdpPort, 60_000, {
    onEvents() {
      endpoint.log.push('events');
      onEvents();
    },
    onSendFailed: (...args) => failed.push(args),
    onFailed: (error) => failed.push(error),
    onBytes(received, sent) {
      bytes.received += received;
      bytes.sent += sent;
    },
  });
});

function comes(text: string): void {
  port.handler?.onDatagram(Buffer.from(text), PEER);
}

test('datagrams of one turn are taken in at once, then told, then answered', async () => {
  endpoint.toTell = 2;
  endpoint.toSend = ['one', 'two'];
  driver.kick();
  for (const text of ['a', 'b', 'c']) comes(text);
  expect(port.sent).toEqual([]);
  await turn();
  expect(endpoint.log).toEqual(['receive a', 'receive b', 'receive c', 'events', 'events']);
  expect(port.sent).toEqual(['one 7', 'two 7']);
  expect(bytes).toEqual({ received: 3, sent: 6 });
});

test('a datagram that comes alone is told and answered at once, with what its listener asks for', async () => {
  endpoint.toTell = 1;
  onEvents = () => {
    endpoint.toSend.push('answer');
    driver.kick();
  };
  comes('question');
  expect([endpoint.log, port.sent]).toEqual([['receive question', 'events'], ['answer 7']]);
  endpoint.toSend = ['nobody asked for it'];
  await turn();
  expect(port.sent).toEqual(['answer 7']);
});

test("a datagram that is another worker's is not counted, and nobody is told", async () => {
  endpoint.takes = false;
  comes('a');
  await turn();
  expect(endpoint.log).toEqual(['receive a']);
  expect(bytes).toEqual({ received: 0, sent: 0 });
});

test('what a listener asks for when all is sent leaves in the next turn', async () => {
  const { transmit } = endpoint;
  endpoint.transmit = (out) => {
    endpoint.transmit = transmit;
    endpoint.toTell = 1;
    return transmit.call(endpoint, out);
  };
  onEvents = () => {
    endpoint.toSend.push('late');
    driver.kick();
  };
  comes('question');
  expect([endpoint.log, port.sent]).toEqual([['receive question', 'events'], []]);
  await turn();
  expect(port.sent).toEqual(['late 7']);
});

test('while the system holds all that it was given, no more is made; then it goes on', async () => {
  endpoint.toSend = Array.from({ length: 1000 }, (_, index) => String(index));
  driver.kick();
  await turn();
  const first = port.sent.length;
  // 4 MiB, about, of datagrams of 60,000 bytes.
  expect(first).toBeGreaterThan(30);
  expect(first).toBeLessThan(100);
  await turn();
  expect(port.sent).toHaveLength(first);
  while (port.held.length > 0) {
    port.release();
    await turn();
  }
  expect(port.sent).toEqual(Array.from({ length: 1000 }, (_, index) => `${index} 7`));
});

test('the clock calls at the deadline of the machine', async () => {
  endpoint.deadline = now() + 5;
  driver.kick();
  await new Promise<void>((resolve) => {
    const { tick } = endpoint;
    endpoint.tick = () => {
      tick.call(endpoint);
      resolve();
    };
  });
  expect(endpoint.log).toEqual(['tick']);
});

test('what the system could not send is told with its code, its size and where to', async () => {
  endpoint.toSend = ['lost'];
  driver.kick();
  await turn();
  port.release(Object.assign(new Error('no way'), { code: 'ENETUNREACH' }));
  expect(failed).toEqual([['ENETUNREACH', PEER, 4]]);
});

test('a socket that fails is told', () => {
  const error = new Error('gone');
  port.handler?.onFailed(error);
  expect(failed).toEqual([error]);
});

test('stop sends what there is, waits for the system, closes the port, and hears nothing more', async () => {
  endpoint.toSend = ['last'];
  const stop = driver.stop();
  expect(port.sent).toEqual(['last 7']);
  await turn();
  expect(port.log).toEqual([]);
  port.release(new Error('whatever'));
  await stop;
  await driver.stop();
  comes('late');
  driver.kick();
  await turn();
  expect([port.log, endpoint.log, failed]).toEqual([['close'], [], []]);
});

test('a listener that stops it in the midst of things is the last to be told', async () => {
  endpoint.toTell = 3;
  endpoint.toSend = ['bye'];
  onEvents = () => void driver.stop();
  driver.kick();
  await turn();
  port.release();
  await turn();
  expect([endpoint.log, port.sent, port.log]).toEqual([['events'], ['bye 7'], ['close']]);
});
