import type { SendOptions } from '../channel/index.ts';
import {
  type AnyApi,
  type ApiShape,
  type DataArguments,
  type EventsOf,
  Listeners,
  type Name,
  type ToClient,
} from '../core/index.ts';
import type { Engine } from '../engine/index.ts';
import { Broadcast, type Namespace } from '../room/index.ts';
import type { Attendant } from './attendant.ts';
import type { ServerSocket } from './socket.ts';

export interface ServerNamespaceEvents<A extends ApiShape> {
  /** A peer was let in; its first message is delivered after the listeners have run. */
  connection: (socket: ServerSocket<A>) => unknown;
}

/** A path of the server's endpoints, with its own handlers and rooms. */
export class ServerNamespace<A extends ApiShape = AnyApi> {
  readonly #namespace: Namespace;
  readonly #engine: Engine;
  readonly #listeners: Listeners = new Listeners();

  constructor(namespace: Namespace, engine: Engine) {
    this.#namespace = namespace;
    this.#engine = engine;
  }

  get name(): string {
    return this.#namespace.name;
  }

  /** The sockets on this node, those that wait for a resume included. */
  get sockets(): readonly ServerSocket<A>[] {
    return [...this.#namespace.seats].map((seat) => (seat as Attendant).socket as unknown as ServerSocket<A>);
  }

  on<E extends keyof ServerNamespaceEvents<A>>(event: E, listener: ServerNamespaceEvents<A>[E]): this {
    this.#listeners.add(event, listener);
    return this;
  }

  off<E extends keyof ServerNamespaceEvents<A>>(event: E, listener?: ServerNamespaceEvents<A>[E]): this {
    this.#listeners.remove(event, listener);
    return this;
  }

  /** The members of these rooms. */
  to(...rooms: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().to(...rooms);
  }

  /** All sockets of these users. */
  user(...users: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().user(...users);
  }

  /** Everybody but the members of these rooms. */
  except(...rooms: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().except(...rooms);
  }

  /** Everybody in the namespace. @throws HawserError ERR_UNENCODABLE, ERR_EVENT_RESERVED, ERR_ARGUMENT. */
  send<E extends Name<EventsOf<ToClient<A>>>>(
    event: E,
    ...rest: DataArguments<EventsOf<ToClient<A>>[E], SendOptions>
  ): void {
    this.#everybody().send(event, ...rest);
  }

  /** The rooms that have members, and how many, on all nodes; at most `most` (default 1000). */
  rooms(most?: number): Promise<ReadonlyMap<string, number>> {
    return this.#engine.rooms(this.name, most);
  }

  /** The users who have a socket, and how many, on all nodes; at most `most` (default 1000). */
  users(most?: number): Promise<ReadonlyMap<string, number>> {
    return this.#engine.users(this.name, most);
  }

  /** For the server: a socket was let in. */
  welcome(attendant: Attendant): void {
    for (const listener of this.#listeners.of('connection') ?? []) {
      try {
        const result = listener(attendant.socket as never);
        if (result instanceof Promise)
          result.catch((error: unknown) => attendant.report(error, "listener of 'connection'"));
      } catch (error) {
        attendant.report(error, "listener of 'connection'");
      }
    }
  }

  #everybody(): Broadcast<ToClient<A>> {
    return new Broadcast(this.#namespace, this.#engine);
  }
}
