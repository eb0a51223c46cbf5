import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { engineSuite, type TestBus, TestHub } from '../../testing/index.ts';
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
