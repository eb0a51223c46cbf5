import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { BusHost, LoggedBytes, Subject } from '../../src/engine/index.ts';
import { ClusterBus } from '../../src/engines/cluster/cluster-bus.ts';
import { Hub, type HubDoor } from '../../src/engines/cluster/hub.ts';
import type { HubLimits } from '../../src/engines/cluster/limits.ts';

export const ALL: Subject = { kind: 'all' };
export const ROOM: Subject = { kind: 'room', namespace: '/', room: 'r' };
export const RULE = { name: '/ r', size: 3, age: 60_000 };

/** What one node hears, with a way to wait for it. */
export class Ear implements BusHost {
  readonly told: string[] = [];
  readonly errors: unknown[] = [];
  readonly entries: (LoggedBytes & { readonly epoch: string })[] = [];
  #waiting: (() => void)[] = [];

  received(bytes: Uint8Array): void {
    this.#tell(Buffer.from(bytes).toString());
  }
  logged(namespace: string, room: string, entry: LoggedBytes, epoch: string): void {
    this.entries.push({ ...entry, epoch });
    this.#tell(`${namespace} ${room} ${entry.offset}<${entry.previous} ${Buffer.from(entry.bytes).toString()}`);
  }
  reconnected(): void {
    this.#tell('reconnected');
  }
  disconnected(error: unknown): void {
    this.errors.push(error);
    this.#tell('disconnected');
  }
  ended(node: string): void {
    this.#tell(`ended ${node}`);
  }
  report(error: unknown): void {
    this.errors.push(error);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async hears(what: string): Promise<void> {
    await this.until(() => this.told.includes(what));
  }

  #tell(what: string): void {
    this.told.push(what);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export class Cluster implements AsyncDisposable {
  readonly hub: Hub;
  readonly reports: string[];
  readonly #buses: ClusterBus[] = [];
  #workers = 0;

  private constructor(hub: Hub, reports: string[]) {
    this.hub = hub;
    this.reports = reports;
  }

  static async start(limits: Partial<HubLimits> = {}): Promise<Cluster> {
    const reports: string[] = [];
    return new Cluster(await Hub.start((error) => reports.push(error.message), limits), reports);
  }

  door(): HubDoor {
    this.#workers += 1;
    return this.hub.admit(this.#workers);
  }

  async node(name = 'hawser', door: HubDoor = this.door()): Promise<{ bus: ClusterBus; ear: Ear; door: HubDoor }> {
    const bus = new ClusterBus(name, () => Promise.resolve(door));
    const ear = new Ear();
    this.#buses.push(bus);
    await bus.start(ear);
    return { bus, ear, door };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const bus of this.#buses) await bus.close();
    await this.hub.close();
  }
}

/** Stands between a worker and its hub. */
export class Relay {
  readonly door: HubDoor;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #holds = false;

  private constructor(server: Server, door: HubDoor) {
    this.#server = server;
    this.door = door;
  }

  static async start(door: HubDoor): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server, { ...door, path: join(dirname(door.path), 'r') });
    server.on('connection', (socket) => relay.#pass(socket, connect(door.path)));
    await new Promise<void>((resolve) => server.listen(relay.door.path, resolve));
    return relay;
  }

  /** Passes on nothing more. */
  hold(): void {
    this.#holds = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Ends all connections; those that come pass again. */
  cut(): void {
    this.#holds = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(near: Socket, far: Socket): void {
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#holds) from.pause();
    }
  }
}

export function say(text: string): Uint8Array {
  return Buffer.from(text);
}

export async function pass(hub: Hub, what: (stats: Hub['stats']) => boolean): Promise<void> {
  await expect.poll(() => what(hub.stats)).toBe(true);
}

export function frame(kind: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(body.length + 1);
  head[4] = kind;
  return Buffer.concat([head, body]);
}

export function greeting({ worker, secret }: HubDoor): Buffer {
  return frame(1, Buffer.concat([Buffer.from([worker]), secret]));
}

export async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

export function closed(socket: Socket): Promise<unknown> {
  socket.resume();
  return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', resolve));
}
