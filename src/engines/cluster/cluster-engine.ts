import { type Engine, JoinedEngine, type JoinedTimes } from '../../engine/index.ts';
import { ClusterBus } from './cluster-bus.ts';
import { findDoor } from './this-worker.ts';
import { WORLD } from './world.ts';

export interface ClusterEngineOptions {
  /** Servers of other names know nothing of each other. Default `hawser`. */
  readonly name?: string;
  /** Of the nodes' leases; the same in all workers. */
  readonly times?: Partial<JoinedTimes>;
}

/**
 * Makes the rooms, users and presence of all workers one, by the hub in the primary process, which keeps the logs of rooms too. For processes that
 * `startWorkers` has started: `createServer({ engine: clusterEngine() })`. Its start throws ERR_OPTION elsewhere.
 */
export function clusterEngine({ name = 'hawser', times }: ClusterEngineOptions = {}): Engine {
  return new JoinedEngine(new ClusterBus(name, findDoor), { world: WORLD, times });
}
