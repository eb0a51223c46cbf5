import { HawserError } from '../index.ts';

/** Publishes by the subject that the nodes of a cluster hear, and resolves with what the node says that took it. */
export async function pushByNats(url: URL, cluster: string, json: string, timeout: number): Promise<string> {
  const { connect } = await loaded('@nats-io/transport-node', () => import('@nats-io/transport-node'));
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const login = pass !== '' ? { user, pass } : user === '' ? {} : { token: user };
  const options = { servers: url.host, ...login, timeout, reconnect: false, maxReconnectAttempts: 0 };
  const connection = await connect(options).catch((cause: unknown) => {
    throw notConnected('NATS', url, cause, /Authorization|Authentication/.test(nameOf(cause)));
  });
  try {
    const answer = await connection.request(`hawser.${cluster}.push`, json, { timeout });
    return answer.string();
  } catch (cause) {
    if ((cause as { isNoResponders?: () => boolean }).isNoResponders?.() === true) {
      throw new HawserError('ERR_CONNECT_FAILED', `no node of the cluster '${cluster}' is there`, { cause });
    }
    if (nameOf(cause) === 'TimeoutError') throw new HawserError('ERR_TIMEOUT', `no answer in ${timeout} ms`, { cause });
    throw new HawserError('ERR_CONNECT_FAILED', `NATS at ${url.host}: ${String(cause)}`, { cause });
  } finally {
    await connection.close();
  }
}

/** Adds to the stream of which one node takes each entry. Resolves when Redis has it: a node publishes it as soon as there is one. */
export async function pushByRedis(url: URL, cluster: string, json: string, timeout: number): Promise<void> {
  const { createClient } = await loaded('@redis/client', () => import('@redis/client'));
  const key = `hawser:${cluster}:push:stream`;
  for (let at = url, hops = 0; ; hops += 1) {
    const client = createClient({
      url: at.href,
      socket: { connectTimeout: timeout, reconnectStrategy: false },
      commandOptions: { timeout },
    });
    client.on('error', () => {});
    try {
      await client.connect().catch((cause: unknown) => {
        throw notConnected('Redis', at, cause, /WRONGPASS|NOAUTH|NOPERM/.test(String(cause)));
      });
      await client.sendCommand(['XADD', key, '*', 'json', json]);
      return;
    } catch (error) {
      const moved = /^MOVED \d+ (\S+):(\d+)$/.exec((error as Error).message);
      if (moved === null || hops > 4) throw refused(error);
      at = new URL(at);
      [, at.hostname, at.port] = moved as unknown as [string, string, string];
    } finally {
      if (client.isOpen) client.destroy();
    }
  }
}

function refused(error: unknown): HawserError {
  if (error instanceof HawserError) return error;
  const { message } = error as Error;
  if (/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(message)) return new HawserError('ERR_AUTH_FAILED', `Redis: ${message}`);
  return new HawserError('ERR_ENGINE_DOWN', `Redis: ${message}`, { cause: error, delivered: 'unknown' });
}

function notConnected(what: string, { host }: URL, cause: unknown, isRefused: boolean): HawserError {
  if (isRefused) return new HawserError('ERR_AUTH_FAILED', `${what} at ${host} refused the login`, { cause });
  return new HawserError('ERR_CONNECT_FAILED', `${what} at ${host} can't be reached: ${(cause as Error).message}`, {
    cause,
  });
}

async function loaded<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new HawserError('ERR_UNSUPPORTED', `this URL needs a client: npm install ${name}`, { cause });
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
