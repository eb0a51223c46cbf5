import { type ClientSocket, connect, type MessageInfo } from '../../src/client/index.ts';
import type { Heard, MemberLog } from './ledger.ts';

/** Small, so that a frozen node is noticed within a second or two. */
const TIMES = { loginWait: 2000, heartbeat: 500, readWait: 1500, writeWait: 2000, closeWait: 500 };
const RECONNECT = { first: 50, most: 400 };

interface Numbered {
  readonly publisher: string;
  readonly number: number;
  readonly by: string;
}

/** A client that is in rooms for as long as it lives, wherever it is connected, and writes down all that it hears. */
export class Member implements MemberLog, AsyncDisposable {
  readonly name: string;
  readonly heard: Heard[] = [];
  hasLeft = false;
  readonly #urls: readonly string[];
  #socket: ClientSocket | undefined;
  /** Calls that wait for something to be heard. */
  readonly #watchers = new Set<() => void>();

  constructor(name: string, urls: readonly string[]) {
    this.name = name;
    this.#urls = urls;
  }

  get id(): string {
    return this.#socket?.id ?? '';
  }

  get isUp(): boolean {
    return this.#socket?.state === 'up';
  }

  /** The node that it is on, as that one said. */
  get node(): string | undefined {
    return this.heard.findLast((event) => event.kind === 'in')?.node;
  }

  async open(): Promise<void> {
    this.#socket = await connect(this.#urls, {
      user: this.name,
      times: TIMES,
      reconnect: RECONNECT,
      persistent: true,
      prepare: (socket) => this.#listen(socket as unknown as ClientSocket),
      onError: () => {},
    });
  }

  /** Calls `then` whenever something was heard, until what is returned is called. */
  watch(then: () => void): () => void {
    this.#watchers.add(then);
    return () => this.#watchers.delete(then);
  }

  async leave(): Promise<void> {
    this.hasLeft = true;
    await this.#socket?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket?.close();
  }

  #listen(socket: ClientSocket): void {
    socket.on('m', (data, info) => this.#onMessage(data as Numbered, info));
    for (const kind of ['positioned', 'recovered', 'gap'] as const) {
      socket.on(kind as 'joined', (data: unknown, info: MessageInfo) => this.#onPlace(kind, data, info));
    }
    for (const kind of ['joined', 'left'] as const) {
      socket.on(kind, (_, { room = '', member }) => this.#hear({ kind, at: now(), room, member: member?.id ?? '' }));
    }
    socket.on('in', (data) => this.#hear({ kind: 'in', at: now(), node: (data as { node: string }).node }));
    socket.on('up', ({ transport }) => this.#hear({ kind: 'up', at: now(), id: socket.id, transport }));
    socket.on('down', () => this.#hear({ kind: 'down', at: now() }));
  }

  #onMessage({ publisher, number, by }: Numbered, info: MessageInfo): void {
    const { room = '', offset } = info as MessageInfo & { readonly offset?: number };
    this.#hear({ kind: 'message', at: now(), room, publisher, number, by, offset });
  }

  #onPlace(kind: 'positioned' | 'recovered' | 'gap', data: unknown, { room = '' }: MessageInfo): void {
    const { offset, epoch, missed, reason } = data as {
      readonly offset: number;
      readonly epoch: string;
      readonly missed?: number;
      readonly reason?: string;
    };
    this.#hear({ kind, at: now(), room, offset, epoch, missed, reason });
  }

  #hear(event: Heard): void {
    this.heard.push(event);
    for (const watcher of this.#watchers) watcher();
  }
}

export function now(): number {
  return performance.now();
}
