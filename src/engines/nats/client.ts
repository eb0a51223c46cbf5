import type * as jetstream from '@nats-io/jetstream';
import type * as transport from '@nats-io/transport-node';
import { HawserError } from '../../core/index.ts';

/** The client of NATS, which is a package of its own. */
export interface NatsModules {
  readonly transport: typeof transport;
  readonly jetstream: typeof jetstream;
}

/** @throws HawserError ERR_UNSUPPORTED that says what to install. */
export async function loadNats(load: () => Promise<NatsModules> = importNats): Promise<NatsModules> {
  try {
    return await load();
  } catch (cause) {
    const how = 'npm install @nats-io/transport-node @nats-io/jetstream';
    throw new HawserError('ERR_UNSUPPORTED', `the engine nats needs the client of NATS: ${how}`, { cause });
  }
}

async function importNats(): Promise<NatsModules> {
  const [node, streams] = await Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')]);
  return { transport: node, jetstream: streams };
}
