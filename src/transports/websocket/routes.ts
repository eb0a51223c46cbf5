import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HawserError } from '../../core/index.ts';
import type { Arrival, Reception } from '../guest.ts';

const PATH_LENGTH = 1024;

/** Whose a path is. */
export interface Route {
  readonly reception: Reception;
  /** Whether something is served at this path; left out where the owner takes all paths below its own. */
  readonly serves?: ((path: string) => boolean) | undefined;
}

/** The paths of one port, each with all that is below it: of two that fit, the longer one has it. */
export class Routes {
  readonly #routes = new Map<string, Route>();

  get size(): number {
    return this.#routes.size;
  }

  /** @throws HawserError ERR_ADDRESS_IN_USE when the path has an owner. */
  add(path: string, route: Route): void {
    const plain = plainPath(path);
    if (this.#routes.has(plain))
      throw new HawserError('ERR_ADDRESS_IN_USE', `the path ${plain} is in use on this port`);
    this.#routes.set(plain, route);
  }

  /** Takes the path back from who has it. */
  remove(path: string, reception: Reception): void {
    const plain = plainPath(path);
    if (this.#routes.get(plain)?.reception === reception) this.#routes.delete(plain);
  }

  /** One look per segment, the longest first; what is longer than any path of a namespace is the root's. */
  find(path: string): Route | undefined {
    for (let at = path.length > PATH_LENGTH ? 0 : path.length; at > 0; at = path.lastIndexOf('/', at - 1)) {
      const route = this.#routes.get(path.slice(0, at));
      if (route !== undefined) return route;
    }
    return this.#routes.get('/');
  }

  /** The first of all that `pick` finds something in. */
  first<T>(pick: (route: Route) => T | undefined): T | undefined {
    for (const route of this.#routes.values()) {
      const picked = pick(route);
      if (picked !== undefined) return picked;
    }
    return undefined;
  }
}

/** Where connections are received whose owner is not known before their request is read. */
export interface Lobby extends Reception {
  readonly routes: Routes;
  annex?: Annex | undefined;
}

/** What a port has beside WebSocket and the application's answers, both over HTTP/1.1. It is asked before them. */
export interface Annex {
  /** Goes on with a connection that nobody has read from, or leaves it to HTTP/1.1 by a call of `older`, now or later. */
  welcome(arrival: Arrival, older: (arrival: Arrival) => void): void;
  /** Answers a request; false leaves it to the application. */
  take(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether a connection that speaks HTTP/1.1 carries links, and is not to be cut while they live. */
  keeps(socket: Socket): boolean;
  /** The port is given back. What is under way may end in peace, and links live on: resolves when the last has ended, where there are any. */
  close(): Promise<void> | undefined;
}

/** The path of a request's target, percent escapes decoded where they can be. */
export function pathOf(target: string): string {
  const path = target.replace(/^\w+:\/\/[^/?#]*/, '').split(/[?#]/, 1)[0] ?? '';
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function plainPath(path: string): string {
  const plain = path.endsWith('/') ? path.slice(0, -1) : path;
  return plain === '' ? '/' : plain;
}
