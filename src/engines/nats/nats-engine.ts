import type { World } from '../../core/index.ts';
import { type Engine, JoinedEngine, type JoinedTimes } from '../../engine/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { NatsBus } from './bus.ts';
import type { NatsEngineOptions } from './options.ts';

export interface NatsNodeOptions extends NatsEngineOptions {
  /** Of the nodes' leases; the same on all nodes. */
  readonly times?: Partial<JoinedTimes>;
}

const WORLD: World = realWorld();

/**
 * Makes the rooms, users and presence of servers one by NATS: `createServer({ engine: natsEngine({ servers: 'nats://localhost' }) })`. Needs the
 * packages `@nats-io/transport-node` and `@nats-io/jetstream`, and JetStream for rooms with history. The start of the server throws
 * ERR_UNSUPPORTED without the packages, ERR_CONNECT_FAILED, ERR_AUTH_FAILED and ERR_TLS.
 * @throws HawserError ERR_OPTION, ERR_URL.
 */
export function natsEngine({ times, ...options }: NatsNodeOptions): Engine {
  return new JoinedEngine(new NatsBus(options, WORLD), { world: WORLD, times });
}
