import { connect, type Socket } from 'node:net';
import { HawserError, type Timer } from '../../core/index.ts';
import { FrameCutter } from './frame-cutter.ts';
import { beginFrame, FRAME_EXTRA_BYTES, KIND } from './frames.ts';
import type { HubDoor } from './hub.ts';
import { HUB } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { after } from './world.ts';

export interface HubLinkUser {
  /** False when the frame is none that the hub would send. */
  frame(kind: number, bytes: Buffer, at: number, end: number): boolean;
  /** It is there again; what is written now leaves first. Not called for the first time. */
  again(): void;
  lost(error: HawserError): void;
}

/** One connection of a worker to the hub, made anew for as long as it isn't closed. */
export class HubLink {
  /** Undefined while there is no hub: nothing is kept for later. */
  out: Outgoing | undefined;
  readonly #findDoor: () => Promise<HubDoor>;
  readonly #user: HubLinkUser;
  #socket: Socket | undefined;
  #retry: Timer | undefined;
  #attempts = 0;
  #isClosed = false;

  constructor(findDoor: () => Promise<HubDoor>, user: HubLinkUser) {
    this.#findDoor = findDoor;
    this.#user = user;
  }

  /** The first time. @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_CLOSED, and whatever finding the door throws. */
  async open(): Promise<void> {
    await this.#enter(await this.#findDoor());
  }

  /** After the first time has failed: `again` tells when it is there. */
  openLater(): void {
    if (!this.#isClosed) this.#tryAgain();
  }

  /** What is written by now leaves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retry?.cancel();
    const { out } = this;
    const socket = this.#socket;
    this.out = undefined;
    if (socket === undefined || socket.destroyed) return;
    const gone = new Promise((resolve) => socket.once('close', resolve));
    const late = after(HUB.closeWait, () => socket.destroy());
    if (out === undefined) socket.destroy();
    else out.finish();
    await gone;
    late.cancel();
  }

  #enter(door: HubDoor): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new HawserError('ERR_CLOSED', 'the engine is closed');
      const socket = connect(door.path);
      this.#socket = socket;
      const cutter = new FrameCutter(HUB.payloadBytes + FRAME_EXTRA_BYTES);
      const out = new Outgoing(socket, HUB.backlogBytes, () => this.#overflow(socket));
      const late = after(HUB.joinWait, () => socket.destroy(new Error(`no answer in ${HUB.joinWait} ms`)));
      let isIn = false;
      let why: Error | undefined;
      const welcome = (kind: number): boolean => {
        late.cancel();
        isIn = kind === KIND.welcome;
        if (isIn) this.out = out;
        if (isIn) resolve();
        return isIn;
      };
      socket.on('data', (chunk) => {
        const isFrame = cutter.receive(chunk, (kind, bytes, at, end) =>
          isIn ? this.#user.frame(kind, bytes, at, end) : welcome(kind),
        );
        if (!isFrame) socket.destroy(new Error('the hub spoke of what it never does'));
      });
      socket.on('error', (error) => (why = error));
      socket.on('close', () => {
        late.cancel();
        out.end();
        if (isIn) this.#lost(why);
        else reject(refused(why));
      });
      join(out, door);
    });
  }

  #overflow(socket: Socket): void {
    socket.destroy(new HawserError('ERR_BACKLOG_FULL', `the hub didn't read ${HUB.backlogBytes} bytes`));
  }

  #lost(why: Error | undefined): void {
    if (this.#isClosed) return;
    this.out = undefined;
    const { code } = (why ?? {}) as { code?: string };
    const error =
      code === 'ERR_BACKLOG_FULL'
        ? (why as HawserError)
        : new HawserError('ERR_DISCONNECTED', 'the connection to the hub of the workers is lost', { cause: why });
    this.#user.lost(error);
    this.#tryAgain();
  }

  #tryAgain(): void {
    const wait = Math.min(HUB.retryMost, HUB.retryLeast * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#retry = after(wait, () => void this.#comeBack());
  }

  async #comeBack(): Promise<void> {
    try {
      await this.open();
      this.#attempts = 0;
      this.#user.again();
    } catch {
      if (!this.#isClosed) this.#tryAgain();
    }
  }
}

function join(out: Outgoing, { worker, secret }: HubDoor): void {
  const at = beginFrame(out, KIND.join, 1 + secret.length);
  out.memory[at] = worker;
  out.memory.set(secret, at + 1);
}

/** A hub that lets nobody in by this secret closes without a word. */
function refused(why: Error | undefined): HawserError {
  if (why === undefined)
    return new HawserError('ERR_AUTH_FAILED', 'the hub of the workers does not let this process in');
  return new HawserError('ERR_CONNECT_FAILED', `the hub of the workers can't be reached: ${why.message}`, {
    cause: why,
  });
}
