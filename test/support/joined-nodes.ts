import { type Bus, type EngineHost, type EngineMessage, type Entry, JoinedEngine } from '../../src/engine/index.ts';
import {
  type TestBus,
  TestHub,
  type TestHubOptions,
  type VirtualWorld,
  virtualWorld,
} from '../../src/testing/index.ts';
import type { Member } from '../../src/wire/index.ts';

/** A node, and what it was told, one line each. */
export class JoinedNode implements EngineHost {
  readonly engine: JoinedEngine;
  readonly bus: TestBus;
  readonly told: string[] = [];
  readonly delivered: EngineMessage[] = [];
  readonly entries: Entry[] = [];
  readonly reported: unknown[] = [];
  readonly rivals: string[] = [];
  interruptions = 0;
  answer: (question: unknown) => unknown = (question) => question;
  /** What `deliver` does beside. */
  onDeliver: () => void = () => {};

  constructor(world: VirtualWorld, hub: TestHub, wrap: (bus: TestBus) => Bus) {
    this.bus = hub.bus();
    this.engine = new JoinedEngine(wrap(this.bus), { world });
  }

  get codes(): unknown[] {
    return this.reported.map((error) => (error as { readonly code?: unknown }).code);
  }

  deliver(message: EngineMessage): void {
    this.delivered.push(message);
    this.onDeliver();
  }

  presence(_: string, room: string, { id }: Member, change: 'joined' | 'left', count: number): void {
    this.told.push(`${id} ${change} ${room} (${count})`);
  }

  entered(entry: Entry): void {
    this.entries.push(entry);
  }

  interrupted(): void {
    this.interruptions += 1;
  }

  rival(_: string, user: string, mine: string, theirs: string, later: string): void {
    this.rivals.push(`${user}: ${mine} and ${theirs}, later ${later}`);
  }

  report(error: unknown): void {
    this.reported.push(error);
  }
}

/** Nodes on a hub in a world whose clock is moved by hand. */
export class JoinedCluster {
  readonly world: VirtualWorld = virtualWorld();
  readonly hub: TestHub;

  constructor(options: Partial<TestHubOptions> = {}) {
    this.hub = new TestHub({ world: this.world, ...options });
  }

  async node(wrap: (bus: TestBus) => Bus = (bus) => bus): Promise<JoinedNode> {
    const node = new JoinedNode(this.world, this.hub, wrap);
    await node.engine.start(node);
    await this.world.advanceAsync(1);
    return node;
  }

  /** Two nodes that know each other. */
  async pair(): Promise<[JoinedNode, JoinedNode]> {
    return [await this.node(), await this.node()];
  }
}

/** A message to a room, or to everybody. */
export function messageTo(room: string | undefined, data: unknown): EngineMessage {
  const rooms = room === undefined ? [] : [room];
  const target = { namespace: '/', rooms, users: [], exceptRooms: [], exceptSockets: [] };
  return { target, event: 'say', data, meta: {}, volatile: false };
}
