import type { ConnectionOptions } from 'node:tls';
import { HawserError } from '../../core/index.ts';

/** As much of a client of @redis/client as is used here. */
export interface RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'sharded-channel-moved', listener: () => void): unknown;
  connect(): Promise<unknown>;
  /** Throws when it has ended. */
  destroy(): void;
  sendCommand(args: readonly (string | Buffer)[], options?: object): Promise<unknown>;
  sSubscribe(channels: readonly string[], listener: Hear, asBuffers: true): Promise<unknown>;
  sUnsubscribe(channels: readonly string[], listener: Hear, asBuffers: true): Promise<unknown>;
  subscribe(channels: readonly string[], listener: Hear, asBuffers: true): Promise<unknown>;
  unsubscribe(channels: readonly string[], listener: Hear, asBuffers: true): Promise<unknown>;
}

export type Hear = (bytes: Buffer, channel: Buffer) => void;

export interface RedisModule {
  createClient(options: {
    readonly RESP: 3;
    readonly username?: string | undefined;
    readonly password?: string | undefined;
    readonly disableOfflineQueue: true;
    readonly disableClientInfo: true;
    readonly maintNotifications: 'disabled';
    readonly commandOptions: { readonly timeout: 0 };
    readonly socket: ConnectionOptions & { readonly reconnectStrategy: false; readonly connectTimeout: number };
  }): RedisClient;
}

/** @throws HawserError ERR_UNSUPPORTED, which says what to install. */
export async function loadRedis(load: () => Promise<unknown> = () => import('@redis/client')): Promise<RedisModule> {
  try {
    return (await load()) as RedisModule;
  } catch (cause) {
    throw new HawserError('ERR_UNSUPPORTED', 'redisEngine needs a client: npm install @redis/client', { cause });
  }
}

/** Asks for answers whose texts are bytes. `$` is the type of RESP. */
export const AS_BYTES: object = { typeMapping: { [0x24]: Buffer } };
