import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HawserError } from '../../core/index.ts';
import type { HistoryRule } from '../../engine/index.ts';
import { KIND, putHead, SECRET_BYTES } from './frames.ts';
import { HubLogs } from './hub-logs.ts';
import { type HubOfPeer, HubPeer, type ReadAsk } from './hub-peer.ts';
import { isNodeKey } from './keys.ts';
import { HUB, type HubLimits } from './limits.ts';
import { Routes } from './routes.ts';

/** What a worker needs to reach the hub. */
export interface HubDoor {
  readonly path: string;
  /** Its number: from 0 to 255, and no two that live have the same. */
  readonly worker: number;
  readonly secret: Uint8Array;
}

interface Known {
  readonly worker: number;
  readonly secret: Buffer;
  readonly peers: Set<HubPeer>;
  /** Keys of the nodes that it has been, for those who are told when it has ended. */
  readonly nodes: Set<string>;
  hasEnded: boolean;
}

/**
 * Joins the workers of one program: carries what they publish to those who have subscribed, and keeps the logs of rooms. It never looks into what it
 * carries. It listens on a Unix socket in a folder that its user alone can open (on Windows a pipe), and lets in who knows a worker's secret.
 */
export class Hub implements HubOfPeer, AsyncDisposable {
  readonly #server: Server;
  readonly limits: HubLimits;
  readonly #report: (error: HawserError) => void;
  readonly #folder: string | undefined;
  readonly #path: string;
  readonly #known = new Map<number, Known>();
  /** Undefined for those that have not shown whose they are. */
  readonly #peers = new Map<HubPeer, Known | undefined>();
  readonly #routes = new Routes<HubPeer>();
  readonly #logs: HubLogs;
  #strangers = 0;
  /** By which workers know each other. */
  readonly #common: Buffer = randomBytes(SECRET_BYTES);

  private constructor(report: (error: HawserError) => void, limits: HubLimits) {
    this.#report = report;
    this.limits = limits;
    this.#logs = new HubLogs(limits, (key) => this.#routes.of(key));
    this.#folder = process.platform === 'win32' ? undefined : privateFolder();
    this.#path = this.#folder === undefined ? `\\\\.\\pipe\\hawser-${randomHex()}` : join(this.#folder, 's');
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** `report` hears why a worker's connection was cut. @throws HawserError ERR_CONNECT_FAILED where no socket can be made. */
  static async start(report: (error: HawserError) => void = () => {}, limits: Partial<HubLimits> = {}): Promise<Hub> {
    const hub = new Hub(report, { ...HUB, ...limits });
    try {
      await new Promise<void>((resolve, reject) => {
        hub.#server.once('error', reject);
        hub.#server.listen({ path: hub.#path, exclusive: true }, resolve);
      });
    } catch (cause) {
      await hub.close();
      throw new HawserError('ERR_CONNECT_FAILED', `the hub of the workers can't listen: ${String(cause)}`, { cause });
    }
    return hub;
  }

  /** Subjects that somebody has subscribed to, rooms with a log, connections of workers. */
  get stats(): { readonly subjects: number; readonly logs: number; readonly connections: number } {
    return { subjects: this.#routes.size, logs: this.#logs.size, connections: this.#peers.size };
  }

  /** From now on this worker is let in. */
  admit(worker: number): HubDoor {
    const secret = randomBytes(SECRET_BYTES);
    this.#known.set(worker, { worker, secret, peers: new Set(), nodes: new Set(), hasEnded: false });
    this.#tellWorkers();
    return { path: this.#path, worker, secret };
  }

  /** The worker's process has ended. The others hear it when all that it has said is carried. */
  dismiss(worker: number): void {
    const known = this.#known.get(worker);
    if (known === undefined) return;
    this.#known.delete(worker);
    known.hasEnded = true;
    this.#tellWorkers();
    if (known.peers.size === 0) this.#tellEnd(known);
  }

  async close(): Promise<void> {
    for (const peer of this.#peers.keys()) peer.end();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    this.#logs.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  join(peer: HubPeer, worker: number, secret: Buffer): boolean {
    const known = this.#known.get(worker);
    // A worker that isn't known costs the same time as one that is.
    const right = known?.secret ?? NO_SECRET;
    const isRight = secret.length === SECRET_BYTES && timingSafeEqual(secret, right) && known !== undefined;
    if (!isRight || known.peers.size >= this.limits.connectionsPerWorker) return false;
    known.peers.add(peer);
    this.#peers.set(peer, known);
    this.#strangers -= 1;
    return true;
  }

  publish(key: string, frame: Buffer): void {
    const peers = this.#routes.of(key);
    if (peers !== undefined) for (const peer of peers) peer.out.push(frame);
  }

  subscribe(key: string, peer: HubPeer): void {
    this.#routes.add(key, peer);
    if (isNodeKey(key)) this.#peers.get(peer)?.nodes.add(key);
  }

  unsubscribe(key: string, peer: HubPeer): void {
    this.#routes.delete(key, peer);
    if (isNodeKey(key)) this.#peers.get(peer)?.nodes.delete(key);
  }

  append(peer: HubPeer, request: number, key: string, rule: HistoryRule, id: string | undefined, entry: Buffer): void {
    this.#logs.append(peer.out, request, key, rule, id, entry);
  }

  read(peer: HubPeer, request: number, key: string, rule: HistoryRule, ask: ReadAsk): void {
    this.#logs.read(peer.out, request, key, rule, ask);
  }

  forward(to: number, frame: Buffer): void {
    for (const peer of this.#known.get(to)?.peers ?? []) {
      if (!peer.hears) continue;
      // Datagrams may be lost, and must not cost a slow worker its connection.
      if (peer.out.bytes < this.limits.forwardBytes) peer.out.push(frame);
      return;
    }
  }

  hears(peer: HubPeer): void {
    const workers = [...this.#known.keys()].toSorted((a, b) => a - b);
    peer.out.push(frameOf(KIND.workers, Buffer.concat([this.#common, Buffer.from(workers)])));
  }

  gone(peer: HubPeer, error: Error | undefined): void {
    const known = this.#peers.get(peer);
    this.#peers.delete(peer);
    for (const key of peer.keys) this.#routes.delete(key, peer);
    if (known === undefined) this.#strangers -= 1;
    known?.peers.delete(peer);
    if (known?.hasEnded === true && known.peers.size === 0) this.#tellEnd(known);
    if (error === undefined) return;
    const who = known === undefined ? 'a stranger' : `worker ${known.worker}`;
    this.#report(new HawserError('ERR_DISCONNECTED', `the hub has cut ${who} off: ${error.message}`, { cause: error }));
  }

  #tellWorkers(): void {
    for (const peer of this.#peers.keys()) if (peer.hears) this.hears(peer);
  }

  #tellEnd({ nodes }: Known): void {
    for (const key of nodes) {
      const frame = frameOf(KIND.ended, Buffer.from(key, 'latin1'));
      for (const [peer, known] of this.#peers) if (known !== undefined) peer.out.push(frame);
    }
  }

  #accept(socket: Socket): void {
    if (this.#strangers >= this.limits.strangers) {
      socket.destroy();
      return;
    }
    this.#strangers += 1;
    this.#peers.set(new HubPeer(this, socket), undefined);
  }
}

const NO_SECRET = Buffer.alloc(SECRET_BYTES);

function frameOf(kind: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafeSlow(5 + body.length);
  frame.set(body, putHead(frame, 0, kind, body.length));
  return frame;
}

function privateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  chmodSync(folder, 0o700);
  return folder;
}

function randomHex(): string {
  return randomBytes(16).toString('hex');
}
