import type { Socket } from 'node:net';
import type { Timer } from '../../core/index.ts';
import type { HistoryRule } from '../../engine/index.ts';
import { FrameCutter } from './frame-cutter.ts';
import { beginFrame, Cursor, FRAME_EXTRA_BYTES, KIND, SECRET_BYTES } from './frames.ts';
import { KEY_BYTES_MAX } from './keys.ts';
import type { HubLimits } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { after } from './world.ts';

/** What a connection asks of its hub. Keys are Latin-1 of the bytes that came. */
export interface HubOfPeer {
  readonly limits: HubLimits;
  /** Whether the secret is that of the worker, and another connection of its may be. */
  join(peer: HubPeer, worker: number, secret: Buffer): boolean;
  publish(key: string, frame: Buffer): void;
  subscribe(key: string, peer: HubPeer): void;
  unsubscribe(key: string, peer: HubPeer): void;
  append(peer: HubPeer, request: number, key: string, rule: HistoryRule, id: string | undefined, entry: Buffer): void;
  read(peer: HubPeer, request: number, key: string, rule: HistoryRule, ask: ReadAsk): void;
  forward(to: number, frame: Buffer): void;
  /** It is to hear of who lives. */
  hears(peer: HubPeer): void;
  gone(peer: HubPeer, error: Error | undefined): void;
}

export interface ReadAsk {
  readonly most: number;
  readonly since: { readonly offset: number; readonly epoch: string } | undefined;
}

/** One connection of a worker, as the hub has it. Whatever comes that is not as it must be costs the connection. */
export class HubPeer {
  readonly out: Outgoing;
  readonly keys: Set<string> = new Set();
  /** Takes what is forwarded to its worker. */
  hears = false;
  /** Undefined until it has shown whose it is. */
  worker: number | undefined;
  readonly #hub: HubOfPeer;
  readonly #socket: Socket;
  readonly #cutter = new FrameCutter(2 + SECRET_BYTES);
  readonly #late: Timer;
  /** Readings that wait until what was written before has left. */
  #reads: (() => void)[] = [];
  #error: Error | undefined;

  constructor(hub: HubOfPeer, socket: Socket) {
    this.#hub = hub;
    this.#socket = socket;
    const { backlogBytes, joinWait } = hub.limits;
    this.out = new Outgoing(socket, backlogBytes, () => this.cut(`it didn't read ${backlogBytes} bytes`));
    this.#late = after(joinWait, () => this.cut('it never said whose it is'));
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#readOn());
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#late.cancel();
      hub.gone(this, this.#error);
    });
  }

  /** Ends the connection at once. */
  cut(why: string): void {
    this.#error ??= new Error(why);
    this.end();
  }

  end(): void {
    this.#reads = [];
    this.out.end();
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (!this.#cutter.receive(chunk, this.#take)) this.cut('what it said was no frame of a worker');
  }

  readonly #take = (kind: number, bytes: Buffer, at: number, end: number): boolean => {
    const body = new Cursor(bytes, at, end);
    if (this.worker === undefined) return this.#join(kind, body);
    return this.#obey(kind, body) && !body.isBad && !this.#socket.destroyed;
  };

  #join(kind: number, body: Cursor): boolean {
    const worker = body.u8();
    const secret = body.rest();
    if (kind !== KIND.join || body.isBad || !this.#hub.join(this, worker, secret)) return false;
    this.#late.cancel();
    this.worker = worker;
    this.#cutter.most = this.#hub.limits.payloadBytes + FRAME_EXTRA_BYTES;
    beginFrame(this.out, KIND.welcome, 0);
    return true;
  }

  #obey(kind: number, body: Cursor): boolean {
    switch (kind) {
      case KIND.publish:
        return this.#publish(body);
      case KIND.subscribe:
        return this.#subscribe(body);
      case KIND.unsubscribe:
        this.#unsubscribe(body);
        return true;
      case KIND.append:
        return this.#append(body);
      case KIND.read:
        return this.#read(body);
      case KIND.forward:
        return this.#forward(body);
      case KIND.hear:
        this.hears = true;
        this.#hub.hears(this);
        return true;
      default:
        return false;
    }
  }

  #publish(body: Cursor): boolean {
    const key = body.text('latin1');
    const frame = body.frame(KIND.message);
    if (frame === undefined || body.isBad) return false;
    this.#hub.publish(key, frame);
    return true;
  }

  #subscribe(body: Cursor): boolean {
    if (body.end - body.at > KEY_BYTES_MAX) return false;
    const key = body.bytes.toString('latin1', body.at, body.end);
    if (this.keys.has(key)) return true;
    const { subscriptions } = this.#hub.limits;
    if (this.keys.size >= subscriptions) {
      this.cut(`it subscribed to more than ${subscriptions} subjects`);
      return true;
    }
    this.keys.add(key);
    this.#hub.subscribe(key, this);
    return true;
  }

  #unsubscribe(body: Cursor): void {
    const key = body.bytes.toString('latin1', body.at, body.end);
    if (this.keys.delete(key)) this.#hub.unsubscribe(key, this);
  }

  #append(body: Cursor): boolean {
    const request = body.u32();
    const key = body.text('latin1');
    const rule = ruleOf(body);
    const id = body.text();
    const entry = body.rest();
    if (body.isBad || entry.length > this.#hub.limits.payloadBytes || key.length > KEY_BYTES_MAX) return false;
    this.#hub.append(this, request, key, rule, id === '' ? undefined : id, entry);
    return true;
  }

  #read(body: Cursor): boolean {
    const request = body.u32();
    const key = body.text('latin1');
    const rule = ruleOf(body);
    const most = body.u32();
    const isSince = body.u8() === 1;
    const since = { offset: body.whole(), epoch: body.text() };
    if (body.isBad || key.length > KEY_BYTES_MAX) return false;
    if (this.#reads.length >= this.#hub.limits.readings) {
      this.cut(`it asked for more than ${this.#hub.limits.readings} readings at once`);
      return true;
    }
    this.#reads.push(() => this.#hub.read(this, request, key, rule, { most, since: isSince ? since : undefined }));
    this.#readOn();
    return true;
  }

  /** Readings are long: several at once would be more than may wait. Those that are put off go on when the socket has taken all. */
  #readOn(): void {
    while (this.#reads.length > 0 && this.out.bytes < this.#hub.limits.readingBytes) this.#reads.shift()?.();
  }

  #forward(body: Cursor): boolean {
    const to = body.u8();
    const frame = body.frame(KIND.forwarded);
    if (frame === undefined || frame.length < 6 || body.isBad) return false;
    // Who it is from is the hub's to say.
    frame[5] = this.worker as number;
    this.#hub.forward(to, frame);
    return true;
  }
}

function ruleOf(body: Cursor): HistoryRule {
  return { name: '', size: body.u32(), age: body.span() };
}
