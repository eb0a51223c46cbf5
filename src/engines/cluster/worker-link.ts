import type { WorkerChannel } from '../../core/index.ts';
import { beginFrame, Cursor, HEAD_BYTES, KIND, putHead, SECRET_BYTES } from './frames.ts';
import type { HubDoor } from './hub.ts';
import { HubLink, type HubLinkUser } from './hub-link.ts';
import { HUB } from './limits.ts';
import { WorkerMesh, writeForwarded } from './worker-mesh.ts';

type OnForwarded = (from: number, bytes: Uint8Array) => void;

/**
 * The way from this worker to the others: straight, and through the hub until they have found each other. It has a connection to the hub of its
 * own, so that datagrams don't wait behind messages of rooms.
 */
export class WorkerLink implements WorkerChannel, HubLinkUser {
  readonly self: number;
  readonly #link: HubLink;
  readonly #handlers = new Set<OnForwarded>();
  readonly #lookers = new Set<() => void>();
  #workers: readonly number[] | undefined;
  #path = '';
  #mesh: WorkerMesh | undefined;

  constructor(self: number, findDoor: () => Promise<HubDoor>) {
    this.self = self;
    const find = async (): Promise<HubDoor> => {
      const door = await findDoor();
      this.#path = door.path;
      return door;
    };
    this.#link = new HubLink(find, this);
    const hear = (): void => this.again();
    this.#link.open().then(hear, () => this.#link.openLater());
  }

  workers(): readonly number[] | undefined {
    return this.#workers;
  }

  forward(worker: number, bytes: Uint8Array): boolean {
    if (bytes.length > HUB.payloadBytes || this.#workers?.includes(worker) !== true) return false;
    const straight = this.#mesh?.to(worker);
    if (straight !== undefined) return writeForwarded(straight, bytes);
    const { out } = this.#link;
    if (out === undefined || out.bytes > HUB.forwardBytes) return false;
    const at = beginFrame(out, KIND.forward, 2 + HEAD_BYTES + bytes.length);
    const { memory } = out;
    memory[at] = worker;
    const body = putHead(memory, at + 1, KIND.forwarded, 1 + bytes.length);
    memory[body] = this.self;
    memory.set(bytes, body + 1);
    return true;
  }

  onForwarded(handler: OnForwarded): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  onWorkers(handler: () => void): () => void {
    this.#lookers.add(handler);
    return () => this.#lookers.delete(handler);
  }

  again(): void {
    const { out } = this.#link;
    if (out !== undefined) beginFrame(out, KIND.hear, 0);
  }

  lost(): void {
    this.#know(undefined);
  }

  frame(kind: number, bytes: Buffer, at: number, end: number): boolean {
    if (kind === KIND.workers) {
      const secret = Buffer.from(bytes.subarray(at, at + SECRET_BYTES));
      this.#mesh ??= new WorkerMesh({ path: this.#path, self: this.self, secret }, (from, rest) =>
        this.#tell(from, rest),
      );
      this.#know([...bytes.subarray(at + SECRET_BYTES, end)]);
      return true;
    }
    const body = new Cursor(bytes, at, end);
    const from = body.u8();
    if (kind !== KIND.forwarded || body.isBad) return false;
    this.#tell(from, body.rest());
    return true;
  }

  #tell(from: number, bytes: Uint8Array): void {
    for (const hear of this.#handlers) hear(from, bytes);
  }

  #know(workers: readonly number[] | undefined): void {
    this.#workers = workers;
    for (const look of this.#lookers) look();
  }
}
