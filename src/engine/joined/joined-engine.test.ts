import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { engineSuite, TestHub } from '../../testing/index.ts';
import { JoinedEngine } from './joined-engine.ts';

const api = { describe, test, expect };
const hubs = new Map<string, TestHub>();

engineSuite('joined', {
  api,
  world: realWorld(),
  joins: true,
  makeEngine: (cluster) => {
    const world = realWorld();
    const hub = hubs.get(cluster) ?? new TestHub({ world });
    hubs.set(cluster, hub);
    return new JoinedEngine(hub.bus(), { world });
  },
});
