import type { Mark } from './orders.ts';
import type { Target } from './peer.ts';
import type { Plan, Variant } from './plans.ts';
import { Process } from './process.ts';
import type { World } from './worlds.ts';

const FORGED_PER_SECOND = 50_000;

/** What disturbs a run: a forger beside the server, or a NAT that forgets. */
export interface Trouble {
  /** What the forger has done so far; undefined where there is none. */
  mark(): Promise<Mark | undefined>;
  end(): Promise<void>;
}

/**
 * Begins with what the variant asks for. The forger is in the server's namespace, so that what it sends takes nothing of the link, and
 * on the load generator's core.
 */
export async function trouble(
  { load }: Plan,
  { forgery, rebindMs }: Variant,
  world: World,
  target: Target,
  client: Process,
): Promise<Trouble> {
  const rebinding = rebindMs === undefined ? undefined : setInterval(() => world.rebind(), rebindMs);
  const isBeside = forgery !== undefined && load.kind !== 'forged';
  const forger = isBeside ? await startForger(forgery, world, target, client) : undefined;
  return {
    mark: async () => forger?.mark(),
    end: async () => {
      clearInterval(rebinding);
      await forger?.end();
    },
  };
}

async function startForger(
  forgery: NonNullable<Variant['forgery']>,
  world: World,
  target: Target,
  client: Process,
): Promise<Process> {
  const id = forgery === 'live' ? await client.obey<string | undefined>({ do: 'id' }) : undefined;
  if (forgery === 'live' && id === undefined) throw new Error('no datagram with an id was seen');
  const forger = new Process({ core: 1, namespace: world.namespaces.server, profile: undefined });
  await forger.obey({ do: 'forge', target, id, perSecond: FORGED_PER_SECOND });
  return forger;
}
