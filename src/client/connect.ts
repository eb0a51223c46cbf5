import { type AnyApi, type ApiShape, ON_PAGE } from '../core/index.ts';
import { ClientCore } from './core.ts';
import {
  type ConnectOptions,
  type Platform,
  plainOf,
  resolveConnectOptions,
  resolveRoutes,
  type Targets,
} from './options.ts';
import { ClientSocket } from './socket.ts';

export type Connect = <A extends ApiShape = AnyApi>(
  urls: Targets,
  options?: ConnectOptions,
) => Promise<ClientSocket<A>>;

/** `connect` for one platform. */
export function createConnect(platform: Platform): Connect {
  return async <A extends ApiShape = AnyApi>(urls: Targets, options: ConnectOptions = {}) => {
    const routes = resolveRoutes(urls, [...(options.transports ?? []), ...platform.transports]);
    const plain = plainOf(routes, platform, options);
    const core = new ClientCore(
      ON_PAGE ? platform : { ...platform, ...plain },
      routes,
      resolveConnectOptions(options),
      plain,
    );
    const socket = new ClientSocket<A>(core);
    options.prepare?.(socket);
    await core.open();
    return socket;
  };
}
