import { afterAll, describe, expect, test } from 'vitest';
import { type Engine, JoinedEngine } from '../../engine/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { engineSuite, MortalBus } from '../../testing/index.ts';
import { ClusterBus } from './cluster-bus.ts';
import { Hub } from './hub.ts';
import { clusterEngine } from './index.ts';

const hub = Hub.start();
const world = realWorld();
let workers = 0;
const buses = new Map<Engine, MortalBus>();

afterAll(async () => {
  await (await hub).close();
});

engineSuite('cluster', {
  api: { describe, test, expect },
  world,
  joins: true,
  logs: true,
  makeEngine: (cluster, times) => {
    const bus = new MortalBus(
      new ClusterBus(cluster, async () => {
        workers = (workers + 1) % 256;
        return (await hub).admit(workers);
      }),
    );
    const engine = new JoinedEngine(bus, { world, times });
    buses.set(engine, bus);
    return engine;
  },
  kill: (engine) => buses.get(engine)?.kill(),
});

test('what is no worker has no such engine', async () => {
  const engine = clusterEngine();
  expect(engine.name).toBe('cluster');
  await expect(engine.start({} as never)).rejects.toMatchObject({ code: 'ERR_OPTION' });
});
