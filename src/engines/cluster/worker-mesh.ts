import { timingSafeEqual } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { FrameCutter } from './frame-cutter.ts';
import { beginFrame, FRAME_EXTRA_BYTES, KIND, SECRET_BYTES } from './frames.ts';
import { HUB } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { after } from './world.ts';

/** What the hub tells its workers so that they find each other. */
export interface MeshDoor {
  /** The hub's own. */
  readonly path: string;
  readonly self: number;
  /** The same for all workers. */
  readonly secret: Buffer;
}

/** A number and what all workers know. */
const JOIN_BYTES = 1 + SECRET_BYTES;

/**
 * Straight ways between workers, for what is too much to go through the primary: each listens on a Unix socket beside the hub's, in the folder
 * that their user alone can open, and dials another when it first has something for it. Nothing here keeps the process alive.
 */
export class WorkerMesh {
  readonly #door: MeshDoor;
  readonly #hear: (from: number, bytes: Uint8Array) => void;
  readonly #server: Server;
  /** Undefined while it is dialled. */
  readonly #ways = new Map<number, Outgoing | undefined>();

  constructor(door: MeshDoor, hear: (from: number, bytes: Uint8Array) => void) {
    this.#door = door;
    this.#hear = hear;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on('error', () => {});
    const path = this.#pathOf(door.self);
    // It was left by a worker that died and had the number before.
    if (process.platform !== 'win32') rmSync(path, { force: true });
    this.#server.listen({ path, exclusive: true });
    this.#server.unref();
  }

  /** What leads straight to a worker; undefined: there is nothing yet, and it is dialled. */
  to(worker: number): Outgoing | undefined {
    if (!this.#ways.has(worker)) this.#dial(worker);
    return this.#ways.get(worker);
  }

  #pathOf(worker: number): string {
    return `${this.#door.path}${worker}`;
  }

  #dial(worker: number): void {
    this.#ways.set(worker, undefined);
    const socket = connect(this.#pathOf(worker));
    socket.unref();
    const out = new Outgoing(socket, HUB.backlogBytes, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('connect', () => {
      const at = beginFrame(out, KIND.join, JOIN_BYTES);
      out.memory[at] = this.#door.self;
      out.memory.set(this.#door.secret, at + 1);
      this.#ways.set(worker, out);
    });
    socket.on('close', () => {
      out.end();
      // One that isn't there yet is not asked for with each datagram.
      if (this.#ways.get(worker) === out) this.#ways.delete(worker);
      else after(HUB.retryLeast, () => this.#ways.delete(worker));
    });
    socket.resume();
  }

  #accept(socket: Socket): void {
    socket.unref();
    const cutter = new FrameCutter(JOIN_BYTES + 1);
    const late = after(HUB.joinWait, () => socket.destroy());
    let from = -1;
    const take = (kind: number, bytes: Buffer, at: number, end: number): boolean => {
      if (from >= 0) {
        if (kind === KIND.forwarded) this.#hear(from, bytes.subarray(at, end));
        return kind === KIND.forwarded;
      }
      if (kind !== KIND.join || end - at !== JOIN_BYTES) return false;
      if (!timingSafeEqual(bytes.subarray(at + 1, end), this.#door.secret)) return false;
      late.cancel();
      cutter.most = HUB.payloadBytes + FRAME_EXTRA_BYTES;
      from = bytes[at] ?? 0;
      return true;
    };
    socket.on('data', (chunk) => {
      if (!cutter.receive(chunk, take)) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => late.cancel());
  }
}

/** Writes what is forwarded straight. False: too much waits. */
export function writeForwarded(out: Outgoing, bytes: Uint8Array): boolean {
  if (out.bytes > HUB.forwardBytes) return false;
  const at = beginFrame(out, KIND.forwarded, bytes.length);
  out.memory.set(bytes, at);
  return true;
}
