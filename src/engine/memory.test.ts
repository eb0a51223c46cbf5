import { describe, expect, test } from 'vitest';
import { realWorld } from '../runtime/index.ts';
import { engineSuite } from '../testing/index.ts';
import type { Member } from '../wire/index.ts';
import { type Engine, type EngineHost, type EngineMessage, MemoryEngine } from './index.ts';

const api = { describe, test, expect };

engineSuite('memory', { api, world: realWorld(), makeEngine: () => new MemoryEngine(realWorld()) });

/** Nodes that share what they know: the smallest engine that joins nodes, to hold the suite itself to what it asks for. */
class Bus {
  readonly nodes = new Set<BusEngine>();
}

interface Kept {
  readonly host: EngineHost;
  readonly interests: Set<string>;
  readonly members: [string, string, Member][];
  readonly sockets: [string, string, string][];
}

class BusEngine extends MemoryEngine implements Engine {
  readonly #bus: Bus;
  #kept: Kept | undefined;

  constructor(bus: Bus) {
    super(realWorld());
    this.#bus = bus;
  }

  override async start(host: EngineHost): Promise<void> {
    this.#kept = { host, interests: new Set(), members: [], sockets: [] };
    this.#bus.nodes.add(this);
    await super.start(host);
  }

  override publish(message: EngineMessage): void {
    const { namespace, rooms, users } = message.target;
    const names = [...rooms.map((room) => `r${namespace} ${room}`), ...users.map((user) => `u${namespace} ${user}`)];
    for (const node of this.#others()) {
      const kept = node.#kept;
      const wanted = names.length === 0 || names.some((name) => kept?.interests.has(name));
      if (wanted) setImmediate(() => node.#bus.nodes.has(node) && kept?.host.deliver(message));
    }
  }

  override watchRoom(namespace?: string, room?: string): void {
    this.#kept?.interests.add(`r${namespace} ${room}`);
  }

  override unwatchRoom(namespace?: string, room?: string): void {
    this.#kept?.interests.delete(`r${namespace} ${room}`);
  }

  override watchUser(namespace?: string, user?: string): void {
    this.#kept?.interests.add(`u${namespace} ${user}`);
  }

  override enter(namespace: string, room: string, member: Member): void {
    super.enter(namespace, room, member);
    this.#kept?.members.push([namespace, room, member]);
    for (const node of this.#others())
      setImmediate(() => MemoryEngine.prototype.enter.call(node, namespace, room, member));
  }

  override arrive(namespace: string, user: string, socket: string): void {
    super.arrive(namespace, user, socket);
    this.#kept?.sockets.push([namespace, user, socket]);
    for (const node of this.#others()) MemoryEngine.prototype.arrive.call(node, namespace, user, socket);
  }

  override async close(): Promise<void> {
    this.#bus.nodes.delete(this);
    for (const node of this.#bus.nodes) {
      for (const one of this.#kept?.members ?? []) MemoryEngine.prototype.leave.call(node, ...one);
      for (const one of this.#kept?.sockets ?? []) MemoryEngine.prototype.depart.call(node, ...one);
    }
    await super.close();
  }

  #others(): BusEngine[] {
    return [...this.#bus.nodes].filter((node) => node !== this);
  }
}

const buses = new Map<string, Bus>();

engineSuite('joined memory', {
  api,
  world: realWorld(),
  joins: true,
  makeEngine: (cluster) => {
    const bus = buses.get(cluster) ?? new Bus();
    buses.set(cluster, bus);
    return new BusEngine(bus);
  },
});
