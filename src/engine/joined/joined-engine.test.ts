import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { SuiteNode } from '../../testing/engine-suite-nodes.ts';
import { engineSuite, TestBus, TestHub } from '../../testing/index.ts';
import type { BusHost } from '../bus.ts';
import type { Engine } from '../engine.ts';
import { JoinedEngine } from './joined-engine.ts';

const api = { describe, test, expect };
const world = realWorld();
const PAYLOAD = 64 * 1024;
const hubs = new Map<string, TestHub>();
const buses = new Map<Engine, TestBus>();

engineSuite('joined', {
  api,
  world,
  joins: true,
  logs: true,
  entryBytes: PAYLOAD,
  makeEngine: (cluster, times) => {
    const hub = hubs.get(cluster) ?? new TestHub({ world, payloadBytes: PAYLOAD });
    hubs.set(cluster, hub);
    const bus = hub.bus();
    const engine = new JoinedEngine(bus, { world, times });
    buses.set(engine, bus);
    return engine;
  },
  kill: (engine) => buses.get(engine)?.kill(),
});

describe('what other programs push', () => {
  class HeardBus extends TestBus {
    told: BusHost | undefined;

    override start(host: BusHost): Promise<void> {
      this.told = host;
      return super.start(host);
    }
  }
  const json = new TextEncoder().encode('{}');

  test('is the host’s to answer', async () => {
    const bus = new HeardBus(new TestHub({ world }));
    await using engine = new JoinedEngine(bus, { world });
    const answer = new TextEncoder().encode('{"ok":true}');
    await engine.start(Object.assign(new SuiteNode(engine), { pushed: async () => answer }));
    expect(await bus.told?.pushed?.(json, 'one')).toBe(answer);
  });

  test('is left to other nodes by a host that takes none', async () => {
    const bus = new HeardBus(new TestHub({ world }));
    await using engine = new JoinedEngine(bus, { world });
    await engine.start(new SuiteNode(engine));
    expect(bus.told?.pushed).toBeUndefined();
  });
});
