import { CLOSE, type CloseReason, closeReason, HawserError, type Outbound, type World } from '../core/index.ts';
import type { Session, SessionPort } from '../session/index.ts';
import type { Link, LinkHandler } from '../transport/index.ts';
import { type Codec, type FailureData, type Hello, MESSAGE, type Welcome } from '../wire/index.ts';

/** A link on the client's side: it says HELLO, waits for WELCOME, and from then on hands messages to the session. */
export class ClientLink implements LinkHandler, SessionPort {
  readonly link: Link;
  readonly #world: World;
  readonly #codec: Codec;
  #session: Session | undefined;
  #welcomed: ((welcome: Welcome) => Session) | undefined;
  #refused: ((error: HawserError) => void) | undefined;
  /** What came with the first WELCOME waits until the application has had a turn to add its listeners. */
  #held: { readonly bytes: Uint8Array; readonly text: boolean }[] | undefined;

  constructor(link: Link, codec: Codec, world: World) {
    this.link = link;
    this.#codec = codec;
    this.#world = world;
  }

  /**
   * Says HELLO. `onWelcome` runs while the WELCOME is being read, before any message that follows it in the same chunk, and returns
   * the session that takes them.
   * @throws HawserError with the code that the server refused with, ERR_LOGIN_TIMEOUT, ERR_DISCONNECTED, ERR_PROTOCOL.
   */
  login(hello: Hello, loginWait: number, onWelcome: (welcome: Welcome) => Session): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#world.timer(this.#world.now() + loginWait, () =>
        this.#refuse(new HawserError('ERR_LOGIN_TIMEOUT', `no welcome in ${loginWait} ms`)),
      );
      this.#refused = (error) => {
        timer.cancel();
        reject(error);
      };
      this.#welcomed = (welcome) => {
        timer.cancel();
        const session = onWelcome(welcome);
        resolve();
        return session;
      };
      this.link.start(this);
      this.link.send(this.#codec.hello(hello));
    });
  }

  /** Holds what comes next until the turn after this one. */
  holdBack(): void {
    this.#held = [];
    this.link.pause();
    this.#world.soon(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const { bytes, text } of held) this.onMessage(bytes, text);
      this.onIdle();
      this.link.resume();
    });
  }

  // SessionPort

  send(message: Outbound): boolean {
    return this.link.send(message);
  }

  get queued(): number {
    return this.link.queued;
  }

  get canPing(): boolean {
    return this.link.ping !== undefined;
  }

  ping(): void {
    this.link.ping?.();
  }

  close(reason: CloseReason): void {
    void this.link.close(reason);
  }

  // LinkHandler

  onMessage(bytes: Uint8Array, text: boolean): void {
    if (this.#held !== undefined) this.#held.push({ bytes: new Uint8Array(bytes), text });
    else if (this.#session === undefined) this.#receiveFirst(bytes, text);
    else this.#session.receive(this, bytes, text, this.#world.now());
  }

  onIdle(): void {
    this.#session?.idle();
  }

  onDrain(): void {
    this.#session?.drained(this);
  }

  onPong(): void {
    this.#session?.heard(this.#world.now());
  }

  onClosed(reason: CloseReason): void {
    this.#refused?.(new HawserError('ERR_DISCONNECTED', `no welcome: ${reason.reason}`, { cause: reason }));
    this.#session?.detach(this, reason, this.#world.now());
  }

  #receiveFirst(bytes: Uint8Array, text: boolean): void {
    const message = this.#codec.decode(bytes, text);
    if (message.kind === MESSAGE.welcome && this.#welcomed !== undefined) {
      this.#welcome(message.data as Welcome);
    } else if (message.kind === MESSAGE.failure) {
      this.#refuse(new HawserError(message.name, (message.data as FailureData).message));
    } else {
      this.#refuse(new HawserError('ERR_PROTOCOL', 'no welcome came first'));
    }
  }

  #welcome(welcome: Welcome): void {
    try {
      this.#session = this.#welcomed?.(welcome);
      this.#refused = undefined;
    } catch (error) {
      this.#refuse(error as HawserError);
    }
  }

  #refuse(error: HawserError): void {
    this.#refused?.(error);
    this.#refused = undefined;
    this.#welcomed = undefined;
    this.close(closeReason(CLOSE.normal));
  }
}
