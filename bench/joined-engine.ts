import { type Bus, type BusHost, type EngineHost, type EngineMessage, JoinedEngine } from '../src/engine/index.ts';
import { realWorld } from '../src/runtime/index.ts';
import { type NativeText, useNativeText } from '../src/wire/index.ts';

/**
 * What joining nodes costs beside the bus: CPU for each message published and received, with a bus that does nothing, and memory for rooms that
 * three nodes share. `npm run bench:joined-engine`, with `--rooms N` (default 100,000).
 */
const MESSAGES = 400_000;
const ROUNDS = 5;
const NODES = 3;
const rooms = Number(process.argv[process.argv.indexOf('--rooms') + 1]) || 100_000;

/** Carries to all others at once; keeps the last bytes. */
class DirectBus implements Bus {
  readonly name = 'direct';
  readonly payloadBytes: number = 1 << 20;
  readonly others: BusHost[] = [];
  host: BusHost | undefined;
  last: Uint8Array | undefined;
  isDeaf = false;

  async start(host: BusHost): Promise<void> {
    this.host = host;
  }

  publish(_: unknown, bytes: Uint8Array): void {
    this.last = bytes;
    if (!this.isDeaf) for (const other of this.others) other.received(new Uint8Array(bytes));
  }

  subscribe(): void {}
  unsubscribe(): void {}
  watchLog(): void {}
  unwatchLog(): void {}
  append(): Promise<never> {
    return Promise.reject(new Error('no logs'));
  }
  read(): Promise<never> {
    return Promise.reject(new Error('no logs'));
  }
  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

// As a server does.
useNativeText(Buffer.prototype as NativeText);

let delivered = 0;
const host: EngineHost = {
  entered: () => {},
  interrupted: () => {},
  answer: () => undefined,
  rival: () => {},
  deliver: () => {
    delivered += 1;
  },
  presence: () => {},
  report: console.error,
};

const target = {
  namespace: '/',
  rooms: ['lobby'],
  users: [],
  exceptRooms: [],
  exceptSockets: ['3fZpQv8mT1kXw0aBcDeFgH'],
};
const message: EngineMessage = {
  target,
  event: 'say',
  data: { text: 'Good morning, everybody, how are you today?', at: 1_700_000_000 },
  meta: { from: { id: '3fZpQv8mT1kXw0aBcDeFgH', user: 'ada' } },
  volatile: false,
};

const buses = Array.from({ length: NODES }, () => new DirectBus());
const engines = buses.map((bus) => new JoinedEngine(bus, { world: realWorld() }));
for (const engine of engines) await engine.start(host);
for (const bus of buses)
  bus.others.push(...buses.filter((other) => other !== bus).map((other) => other.host as BusHost));
const [first, second] = engines as [JoinedEngine, JoinedEngine];
const [bus, other] = buses as [DirectBus, DirectBus];
second.watchRoom('/', 'lobby');

bus.isDeaf = true;
first.publish(message);
const bytes = new Uint8Array(bus.last as Uint8Array);
console.log(`a message of ${bytes.length} bytes between nodes`);
console.log(`publish: ${best(() => first.publish(message))} us`);
console.log(`receive: ${best(() => other.host?.received(bytes))} us`);
const everybody = { ...message, target: { ...target, rooms: ['a', 'b'] } };
first.publish(everybody);
const unwanted = new Uint8Array(bus.last as Uint8Array);
console.log(`receive, for nobody here: ${best(() => other.host?.received(unwanted))} us`);
first.publish(message);
console.log(`own echo: ${best(() => bus.host?.received(bytes))} us`);
bus.isDeaf = false;
if (delivered < MESSAGES) throw new Error('nothing was delivered');

const before = memory();
const start = performance.now();
for (const [at, engine] of engines.entries()) {
  for (let i = 0; i < rooms; i++) {
    engine.watchRoom('/', `room ${i}`);
    engine.enter('/', `room ${i}`, { id: `${at}${i}`.padStart(22, 'x'), user: null });
    if (i % 1000 === 999) await new Promise((resolve) => setImmediate(resolve));
  }
}
await new Promise((resolve) => setImmediate(resolve));
const counts = await Promise.all(engines.map((engine) => engine.count('/', 'room 7')));
if (counts.some((count) => count !== NODES)) throw new Error(`counts are ${counts.join()}`);
const taken = (memory() - before) / NODES / 2 ** 20;
console.log(
  `${rooms} rooms with a member on each of ${NODES} nodes: ${taken.toFixed(1)} MiB a node, ` +
    `${((performance.now() - start) / (rooms * NODES)).toFixed(4)} ms for each who enters, all nodes together`,
);
for (const engine of engines) await engine.close();

/** Microseconds for each, of the best round. */
function best(run: () => void): string {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    for (let i = 0; i < MESSAGES; i++) run();
    least = Math.min(least, performance.now() - began);
  }
  return ((least / MESSAGES) * 1000).toFixed(2);
}

function memory(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}
