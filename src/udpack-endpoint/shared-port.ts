import type { KeyObject } from 'node:crypto';
import type { WorkerChannel } from '../core/index.ts';
import { now } from '../runtime/index.ts';
import type { Address, Forwarded, KeyPair, WorkerKeys, WorkerOptions } from '../udpack/index.ts';
import { hmacSha256 } from './sha256.ts';
import { Speck } from './speck.ts';
import { Wait } from './waits.ts';

/** The first byte of what workers say to each other of a port; then 4 bytes of the port's name. */
const SAYS = {
  /** A datagram: bytes of the address (1), the address, the port (2), the datagram. */
  datagram: 1,
  /** Takes new sessions in. */
  here: 2,
  /** Takes no new sessions in, or none any more. */
  away: 3,
  /** Has just come, and wants to hear who is here. */
  who: 4,
} as const;
const NAME_BYTES = 4;
const HEAD_BYTES = 1 + NAME_BYTES;
const ADDRESS_MOST = 64;
/** The first byte of an INIT. */
const INIT = 0xd0;

const encoder = new TextEncoder();

/** What hears of datagrams that another worker has handed on. */
export type OnForwarded = (datagram: Uint8Array, from: Address) => void;

/** One UDP port that several workers have: which of them take sessions in, and the way from one to another. */
export class SharedPort {
  /** For `Endpoint`. */
  readonly options: WorkerOptions;
  /** Called for what is handed on to this worker. Bytes are valid during the call. */
  onForwarded: OnForwarded = () => {};
  readonly #channel: WorkerChannel;
  readonly #name: Uint8Array;
  /** Those that are known, and those of them that take sessions in. */
  readonly #known: Set<number> = new Set();
  readonly #here: Set<number> = new Set();
  #takers: readonly number[] = [];
  #takes = false;
  #closed = false;
  #out: Uint8Array = new Uint8Array(2048);
  /** The address that was written into `#out` last, and how long it is there. */
  #lastTo: Address | undefined;
  #lastEnd = 0;
  /** Where the last one came from, as it was written. */
  #lastFrom: Address = { address: '', port: 0 };
  #lastHead: Uint8Array = new Uint8Array(0);
  readonly #ends: readonly (() => void)[];

  /** @param address What is bound: the same in all workers. */
  constructor(channel: WorkerChannel, key: KeyPair, address: Address) {
    this.#channel = channel;
    this.#name = hmacSha256(key.publicKey, [encoder.encode(`${address.address} ${address.port}`)]).slice(0, NAME_BYTES);
    this.options = {
      self: channel.self,
      keys: workerKeysOf(key, address),
      takers: () => this.#takers,
      forward: (worker, datagram, from) => this.#forward(worker, datagram, from),
    };
    this.#ends = [channel.onForwarded((from, bytes) => this.#hear(from, bytes)), channel.onWorkers(() => this.#look())];
    this.#look();
  }

  /** Whether new sessions are taken in here. */
  set takes(takes: boolean) {
    if (this.#takes === takes) return;
    this.#takes = takes;
    this.#count();
    for (const worker of this.#known) this.#tell(worker, this.#state);
  }

  close(): void {
    if (this.#closed) return;
    this.takes = false;
    this.#closed = true;
    for (const end of this.#ends) end();
  }

  get #state(): number {
    return this.#takes ? SAYS.here : SAYS.away;
  }

  #forward(worker: number, datagram: Uint8Array, from: Address): Forwarded {
    const workers = this.#channel.workers();
    if (workers !== undefined && !workers.includes(worker)) return 'gone';
    const at = this.#putAddress(from);
    const end = at + datagram.length;
    if (end > this.#out.length) this.#grow(end);
    this.#out.set(datagram, at);
    return this.#channel.forward(worker, this.#out.subarray(0, end)) ? 'sent' : 'busy';
  }

  /** Where the datagram begins. Rows of datagrams come from one address. */
  #putAddress(from: Address): number {
    if (from === this.#lastTo) return this.#lastEnd;
    const out = this.#out;
    out[0] = SAYS.datagram;
    out.set(this.#name, 1);
    const { written } = encoder.encodeInto(from.address, out.subarray(HEAD_BYTES + 1, HEAD_BYTES + 1 + ADDRESS_MOST));
    out[HEAD_BYTES] = written;
    const at = HEAD_BYTES + 1 + written;
    out[at] = from.port >> 8;
    out[at + 1] = from.port;
    this.#lastTo = from;
    this.#lastEnd = at + 2;
    return this.#lastEnd;
  }

  #grow(length: number): void {
    const longer = new Uint8Array(Math.max(length, 70_000));
    longer.set(this.#out.subarray(0, this.#lastEnd));
    this.#out = longer;
  }

  #hear(from: number, bytes: Uint8Array): void {
    if (bytes.length < HEAD_BYTES || !this.#isOurs(bytes)) return;
    switch (bytes[0]) {
      case SAYS.datagram:
        this.#onDatagram(from, bytes);
        return;
      case SAYS.who:
        this.#tell(from, this.#state);
        return;
      case SAYS.here:
      case SAYS.away:
        if (bytes[0] === SAYS.here) this.#here.add(from);
        else this.#here.delete(from);
        this.#count();
        return;
      default:
    }
  }

  #isOurs(bytes: Uint8Array): boolean {
    for (let at = 0; at < NAME_BYTES; at++) if (bytes[1 + at] !== this.#name[at]) return false;
    return true;
  }

  #onDatagram(worker: number, bytes: Uint8Array): void {
    const length = bytes[HEAD_BYTES] ?? 0;
    const at = HEAD_BYTES + 1 + length + 2;
    if (bytes.length <= at) return;
    if (bytes[at] === INIT && !this.#takes) {
      // It has not heard that there is nobody here, or would not have sent it.
      this.#tell(worker, SAYS.away);
      return;
    }
    this.onForwarded(bytes.subarray(at), this.#addressIn(bytes.subarray(HEAD_BYTES, at)));
  }

  /** Rows of datagrams come from one address, which is made once. */
  #addressIn(head: Uint8Array): Address {
    const last = this.#lastHead;
    let same = last.length === head.length;
    for (let at = 0; same && at < head.length; at++) same = head[at] === last[at];
    if (same) return this.#lastFrom;
    let address = '';
    for (let at = 1; at < head.length - 2; at++) address += String.fromCharCode(head[at] ?? 0);
    const port = ((head.at(-2) ?? 0) << 8) | (head.at(-1) ?? 0);
    this.#lastHead = new Uint8Array(head);
    this.#lastFrom = { address, port };
    return this.#lastFrom;
  }

  /** Others have come or gone. */
  #look(): void {
    const workers = this.#channel.workers();
    if (workers === undefined) return;
    for (const worker of this.#known) {
      if (workers.includes(worker)) continue;
      this.#known.delete(worker);
      this.#here.delete(worker);
    }
    for (const worker of workers) {
      if (worker === this.#channel.self || this.#known.has(worker)) continue;
      this.#known.add(worker);
      this.#tell(worker, SAYS.who);
      this.#tell(worker, this.#state);
    }
    this.#count();
  }

  #count(): void {
    const { self } = this.#channel;
    const takers = [...this.#here].filter((worker) => worker !== self);
    if (this.#takes) takers.push(self);
    this.#takers = takers.toSorted((a, b) => a - b);
  }

  #tell(worker: number, says: number): void {
    this.#channel.forward(worker, Uint8Array.of(says, ...this.#name));
  }
}

/** Resolves when the channel knows who lives: who shared a socket before would lose what is for others. */
export async function whenKnown(channel: WorkerChannel | undefined, signal?: AbortSignal): Promise<void> {
  if (channel === undefined || channel.workers() !== undefined) return;
  const known = new Wait<void>(signal);
  const end = channel.onWorkers(() => {
    if (channel.workers() !== undefined) known.resolve();
  });
  try {
    await known.promise;
  } finally {
    end();
  }
}

/** What all workers with this key at this address make for themselves, and nobody else can. */
export function workerKeysOf(key: KeyPair, address: Address): WorkerKeys {
  const { id, init, cookie } = workerSecretsOf(key, address);
  return { cipher: new Speck(id), init, cookie, epoch: machineTime() - now() };
}

/** docs/UDPACK.md, "Several workers on one port": Keys. */
export function workerSecretsOf(
  { privateKey }: KeyPair,
  { address, port }: Address,
): Readonly<Record<'id' | 'init' | 'cookie', Uint8Array>> {
  const bytes = (privateKey as KeyObject).export({ format: 'der', type: 'pkcs8' });
  const root = hmacSha256(bytes, [encoder.encode(`udpack 2 workers ${address} ${port}`)]);
  bytes.fill(0);
  const of = (label: string): Uint8Array => hmacSha256(root, [encoder.encode(label)]);
  return { id: of('id').slice(0, 16), init: of('init'), cookie: of('cookie') };
}

/** Of one clock for all processes of this machine, which nobody sets, in ms. */
function machineTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
