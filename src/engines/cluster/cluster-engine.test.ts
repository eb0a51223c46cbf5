import { afterAll, describe, expect, test } from 'vitest';
import { JoinedEngine } from '../../engine/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { engineSuite } from '../../testing/index.ts';
import { ClusterBus } from './cluster-bus.ts';
import { Hub } from './hub.ts';
import { clusterEngine } from './index.ts';

const hub = Hub.start();
const world = realWorld();
let workers = 0;

afterAll(async () => {
  await (await hub).close();
});

engineSuite('cluster', {
  api: { describe, test, expect },
  world,
  joins: true,
  makeEngine: (cluster) =>
    new JoinedEngine(
      new ClusterBus(cluster, async () => {
        workers = (workers + 1) % 256;
        return (await hub).admit(workers);
      }),
      { world },
    ),
});

test('what is no worker has no such engine', async () => {
  const engine = clusterEngine();
  expect(engine.name).toBe('cluster');
  await expect(engine.start({} as never)).rejects.toMatchObject({ code: 'ERR_OPTION' });
});
