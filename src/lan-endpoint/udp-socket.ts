import type { RemoteInfo } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { aborted, HawserError } from '../core/index.ts';
import { Audience } from './audience.ts';
import { closedError, udpFailed } from './failures.ts';
import { Inbox, type InboxOptions } from './inbox.ts';
import { isMulticast } from './interfaces.ts';
import { changeMembership, interfaceOf } from './membership.ts';
import { type Address, type Plan, planOf } from './plan.ts';
import { Port } from './port.ts';
import {
  bufferSize,
  checkNames,
  hops,
  type ResolvedUdpOptions,
  resolveUdpOptions,
  UDP_OPTION_NAMES,
  type UdpOptions,
} from './udp-options.ts';
import { parseUdpUrl, type UdpUrl, udpUrl } from './udp-url.ts';

/** Bytes that the system has not taken yet, at the most; over it `send` rejects. */
export const SEND_BACKLOG: number = 4 * 1024 * 1024;

/** A datagram, for `for await`. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly info: RemoteInfo;
}

export interface UdpEvents {
  /** A datagram came; `bytes` is the listener's own. */
  message: (bytes: Uint8Array, info: RemoteInfo) => unknown;
  /** Something went wrong, such as an answer that nobody is there; the socket goes on. */
  error: (error: HawserError) => unknown;
  close: () => unknown;
}

/**
 * A UDP socket for datagrams as they are: `udp://127.0.0.1:8181` hears there, a group's address joins it, a broadcast address hears what goes to
 * all; what is sent to nobody else goes to the URL's address.
 * @throws HawserError ERR_URL, ERR_OPTION, ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED, ERR_ABORTED.
 */
export async function openUdp(url: string, options: UdpOptions = {}): Promise<UdpSocket> {
  checkNames(options, UDP_OPTION_NAMES);
  const parsed = parseUdpUrl(url);
  const resolved = resolveUdpOptions(parsed, options);
  const plan = await makePlan(parsed, resolved);
  if (plan.listens && !plan.isLocal && !resolved.insecure) {
    throw new HawserError('ERR_OPTION', `listening on ${udpUrl(plan.target)} off loopback needs insecure: true`);
  }
  const port = await openPort(plan, plan.listens ? plan.ear : plan.mouth, resolved);
  if (resolved.connected) await connectPort(port, plan.target);
  return new UdpSocket(port, plan, resolved);
}

/** Asks the system for the address of the host, and for its interfaces. @throws HawserError ERR_CONNECT_FAILED, ERR_OPTION, ERR_URL, ERR_ABORTED. */
export async function makePlan(url: UdpUrl, options: ResolvedUdpOptions): Promise<Plan> {
  return planOf(url, await addressOf(url.host, options.signal), options, networkInterfaces());
}

/** Binds, and sets what the plan says. `where` is the plan's ear or its mouth. @throws HawserError. */
export async function openPort(plan: Plan, where: Address, options: ResolvedUdpOptions): Promise<Port> {
  // What has a port of the system's choosing shares it with nobody.
  const port = await Port.bind(where, { ...options, ...plan, reuseAddr: plan.reuseAddr && where.port !== 0 });
  try {
    configure(port, plan, options, where === plan.ear);
  } catch (error) {
    await port.close();
    throw error instanceof HawserError ? error : udpFailed(error, 'opening', where);
  }
  return port;
}

function configure({ socket }: Port, plan: Plan, options: ResolvedUdpOptions, hears: boolean): void {
  if (plan.broadcast) socket.setBroadcast(true);
  if (options.ttl !== undefined) socket.setTTL(options.ttl);
  socket.setMulticastTTL(options.multicastTtl);
  socket.setMulticastLoopback(options.loopback);
  if (plan.kind !== 'multicast') return;
  if (plan.face.name !== undefined) socket.setMulticastInterface(plan.face.name);
  if (hears) changeMembership(socket, 'addMembership', plan.target.address, plan.face);
}

/** Talks with this address alone from now on. @throws HawserError ERR_CONNECT_FAILED; the port is closed then. */
export async function connectPort(port: Port, where: Address): Promise<void> {
  try {
    const done = once(port.socket, 'connect');
    port.socket.connect(where.port, where.address);
    await done;
  } catch (error) {
    await port.close();
    throw udpFailed(error, 'connecting to', where);
  }
}

/** IPv4 first: that is what most peers have. */
function addressOf(host: string, signal: AbortSignal | undefined): Promise<string> {
  if (isIP(host) > 0) return Promise.resolve(host);
  return new Promise((resolve, reject) => {
    const give = (): void => reject(aborted(signal));
    if (signal?.aborted) return give();
    signal?.addEventListener('abort', give, { once: true });
    lookup(host, { order: 'ipv4first' } as object, (cause, ip) => {
      signal?.removeEventListener('abort', give);
      if (cause === null) resolve(ip);
      else reject(new HawserError('ERR_CONNECT_FAILED', `no address is known for the name ${host}`, { cause }));
    });
  });
}

export class UdpSocket extends Audience<UdpEvents> implements AsyncDisposable, AsyncIterable<Datagram, undefined> {
  /** Where datagrams go that are sent to nobody else. */
  readonly target: Address;
  readonly #port: Port;
  readonly #plan: Plan;
  readonly #options: ResolvedUdpOptions;
  readonly #inboxes: Set<Inbox<Datagram>> = new Set();
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(port: Port, plan: Plan, options: ResolvedUdpOptions) {
    super(options.onError);
    this.#port = port;
    this.#plan = plan;
    this.#options = options;
    this.target = plan.target;
    port.start({
      onDatagram: (bytes, info) => this.#onDatagram(bytes, info),
      onError: (cause) => this.#onError(cause),
    });
    const { signal } = options;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /** Where the socket is bound. */
  address(): Address & { readonly family: 'IPv4' | 'IPv6' } {
    return { ...this.#port.address, family: `IPv${this.#plan.version}` };
  }

  /** Where it is bound, as a URL. */
  get url(): string {
    return udpUrl(this.#port.address);
  }

  /**
   * Sends one datagram, to the address of the URL or to another one, and resolves with its bytes when the system has taken it: not that it
   * arrives. The bytes must stay as they are until then.
   * @throws HawserError ERR_MESSAGE_TOO_LARGE, ERR_BACKLOG_FULL, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED, ERR_CLOSED, ERR_ARGUMENT.
   */
  async send(data: Uint8Array | string, to?: Address | string): Promise<number> {
    if (this.#closed) throw closedError();
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (this.#options.connected && to !== undefined) {
      throw new HawserError('ERR_ARGUMENT', 'a connected socket sends to its peer alone');
    }
    if (this.#port.socket.getSendQueueSize() + bytes.length > SEND_BACKLOG) {
      throw new HawserError('ERR_BACKLOG_FULL', 'the system takes no more datagrams now');
    }
    return await this.#send(bytes, typeof to === 'string' ? addressIn(to) : (to ?? this.target));
  }

  #send(bytes: Uint8Array, to: Address): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#port.send(bytes, this.#options.connected ? undefined : to, (error, size) => {
        if (error === null) resolve(size);
        else reject(this.#closed ? closedError() : udpFailed(error, `sending ${bytes.length} bytes to`, to));
      });
    });
  }

  /** The datagrams from now on; those that nobody takes in time are lost, as on the way, unless `overflow` says otherwise. */
  datagrams(options: InboxOptions = {}): Inbox<Datagram> {
    const inbox = new Inbox<Datagram>({ overflow: 'drop', ...options }, (ended) => this.#inboxes.delete(ended));
    if (this.#closed) inbox.finish();
    else if (!options.signal?.aborted) this.#inboxes.add(inbox);
    return inbox;
  }

  [Symbol.asyncIterator](): Inbox<Datagram> {
    return this.datagrams();
  }

  /**
   * Hears what goes to a group too, on this interface: a name, an address or `any`; default: the socket's own. A socket that was opened at a group is bound to
   * it and hears no other; for several groups open `udp://0.0.0.0:PORT`.
   * @throws HawserError ERR_ARGUMENT, ERR_OPTION, ERR_CONNECT_FAILED.
   */
  addMembership(group: string, face?: string): void {
    const { address } = this.#port.address;
    if (isMulticast(address) && address.split('%')[0] !== group.split('%')[0]) {
      throw new HawserError('ERR_ARGUMENT', `this socket is bound to ${address}, and hears no other group`);
    }
    this.#changeMembership('addMembership', group, face);
  }

  dropMembership(group: string, face?: string): void {
    this.#changeMembership('dropMembership', group, face);
  }

  #changeMembership(change: 'addMembership' | 'dropMembership', group: string, face: string | undefined): void {
    const { version, kind, face: own } = this.#plan;
    const wanted = group.split('%')[1] ?? face;
    const there = wanted === undefined && kind === 'multicast' ? own : interfaceOf(wanted, version);
    if (!there.isLoopback && !this.#options.insecure) {
      throw new HawserError('ERR_OPTION', 'a group off loopback needs insecure: true');
    }
    this.#whileOpen(() => changeMembership(this.#port.socket, change, group, there));
  }

  setBroadcast(on: boolean): void {
    this.#whileOpen(() => this.#port.socket.setBroadcast(on));
  }

  /** 1 to 255. */
  setTtl(ttl: number): void {
    hops('ttl', ttl, 1);
    this.#whileOpen(() => this.#port.socket.setTTL(ttl));
  }

  /** 0 to 255. */
  setMulticastTtl(ttl: number): void {
    hops('multicastTtl', ttl, 0);
    this.#whileOpen(() => this.#port.socket.setMulticastTTL(ttl));
  }

  setMulticastLoopback(on: boolean): void {
    this.#whileOpen(() => this.#port.socket.setMulticastLoopback(on));
  }

  /** By name or address. */
  setMulticastInterface(face: string): void {
    const { name, address } = interfaceOf(face, this.#plan.version);
    this.#whileOpen(() => this.#port.socket.setMulticastInterface(name ?? address));
  }

  /** Bytes that the system holds for the socket, both ways; Linux tells twice what it was asked for. */
  get bufferSizes(): { readonly recv: number; readonly send: number } {
    const { socket } = this.#port;
    return this.#whileOpen(() => ({ recv: socket.getRecvBufferSize(), send: socket.getSendBufferSize() }));
  }

  setRecvBufferSize(bytes: number): void {
    bufferSize('recvBufferSize', bytes);
    this.#whileOpen(() => this.#port.socket.setRecvBufferSize(bytes));
  }

  setSendBufferSize(bytes: number): void {
    bufferSize('sendBufferSize', bytes);
    this.#whileOpen(() => this.#port.socket.setSendBufferSize(bytes));
  }

  /** Keeps the process alive, as it does by itself. */
  ref(): this {
    if (!this.#closed) this.#port.socket.ref();
    return this;
  }

  unref(): this {
    if (!this.#closed) this.#port.socket.unref();
    return this;
  }

  /** Iterations end after what waits; sends that the system has not taken reject. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await this.#port.close();
    for (const inbox of this.#inboxes) inbox.finish();
    this.tell('close');
  }

  readonly #onAbort = (): void => {
    for (const inbox of this.#inboxes) inbox.finish(aborted(this.#options.signal));
    void this.close();
  };

  #onDatagram(bytes: Uint8Array, info: RemoteInfo): void {
    this.tell('message', bytes, info);
    for (const inbox of this.#inboxes) inbox.push({ bytes, info });
  }

  #onError(cause: Error): void {
    const { target } = this.#plan;
    this.tell('error', udpFailed(cause, 'talking with', target));
  }

  #whileOpen<Result>(run: () => Result): Result {
    if (this.#closed) throw closedError();
    try {
      return run();
    } catch (error) {
      throw error instanceof HawserError ? error : udpFailed(error, 'setting up', this.#port.address);
    }
  }
}

/** @throws HawserError ERR_URL. */
function addressIn(url: string): Address {
  const { host, zone, port } = parseUdpUrl(url);
  return { address: zone === undefined ? host : `${host}%${zone}`, port };
}
