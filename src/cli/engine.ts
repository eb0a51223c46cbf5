import { type Engine, type EngineHost, HawserError } from '../index.ts';

/** The engine's server did not let us in, or wasn't there: exit codes of their own. */
export class EngineFailure extends HawserError {
  readonly isRefusal: boolean;

  constructor(cause: HawserError) {
    super(cause.code, cause.message, { cause });
    this.isRefusal = cause.code === 'ERR_AUTH_FAILED' || cause.code === 'ERR_NOT_ALLOWED';
  }
}

/** The engine that a URL names, with the client that it needs. @throws HawserError ERR_URL, ERR_OPTION, ERR_UNSUPPORTED. */
export async function engineOf(url: string, cluster: string | undefined): Promise<Engine> {
  const name = cluster === undefined ? {} : { name: cluster };
  const scheme = /^[a-z]+:/.exec(url)?.[0];
  switch (scheme) {
    case 'nats:':
    case 'tls:': {
      const { natsEngine } = await import('../engines/nats/index.ts');
      return startingClearly(natsEngine({ ...name, servers: url }));
    }
    case 'redis:':
    case 'rediss:': {
      const { redisEngine } = await import('../engines/redis/index.ts');
      return startingClearly(redisEngine({ ...name, url }));
    }
    default:
      // Not the URL: it may hold a password.
      throw new HawserError('ERR_URL', `--engine is nats://…, tls://… (NATS) or redis://…, not ${scheme ?? 'that'}`);
  }
}

/** What goes wrong when it starts is told apart from what goes wrong with our own endpoints. */
function startingClearly(engine: Engine): Engine {
  const start = engine.start.bind(engine);
  engine.start = async (host: EngineHost) => {
    try {
      await start(host);
    } catch (error) {
      throw error instanceof HawserError ? new EngineFailure(error) : error;
    }
  };
  return engine;
}
