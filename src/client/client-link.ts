import { CLOSE, type CloseReason, closeReason, HawserError, late, ON_PAGE } from '../core/index.ts';
import type { Session } from '../session/index.ts';
import type { Link, LinkHandler } from '../transport/index.ts';
import { type FailureData, type Hello, MESSAGE, type Welcome } from '../wire/index.ts';
import type { ClientCore } from './core.ts';

/** What stands for a WELCOME where nobody says one. */
const NO_WELCOME: Welcome = {
  version: 0,
  id: '',
  user: null,
  server: '',
  heartbeat: Infinity,
  readWait: Infinity,
  resumeWindow: 0,
  messageBytes: Infinity,
};

/** A link on the client's side: it says HELLO, waits for WELCOME, and from then on hands messages to the session. */
export class ClientLink implements LinkHandler {
  readonly link: Link;
  readonly #core: ClientCore;
  #session: Session | undefined;
  /** What waits for the WELCOME. */
  #login: { onWelcome(welcome: Welcome): Session; settle(error?: unknown): void } | undefined;
  /** What came with the first WELCOME waits until the application has had a turn to add its listeners. */
  #held: { readonly bytes: Uint8Array; readonly text: boolean }[] | undefined;

  constructor(link: Link, core: ClientCore) {
    this.link = link;
    this.#core = core;
  }

  /**
   * Says HELLO. `onWelcome` runs while the WELCOME is being read, before any message that follows it in the same chunk, and returns
   * the session that takes them.
   * @throws HawserError with the code that the server refused with, ERR_LOGIN_TIMEOUT, ERR_DISCONNECTED, ERR_PROTOCOL.
   */
  login(hello: Hello, loginWait: number, onWelcome: (welcome: Welcome) => Session): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#core.world.timer(this.#core.world.now() + loginWait, () =>
        this.#refuse(late('welcome', loginWait, 'ERR_LOGIN_TIMEOUT')),
      );
      const settle = (error?: unknown): void => {
        this.#login = undefined;
        timer.cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#login = { onWelcome, settle };
      this.link.start(this);
      if (ON_PAGE || this.#core.codec.greets) this.link.send(this.#core.codec.hello(hello));
      else this.#welcome(NO_WELCOME);
    });
  }

  /** Holds what comes next until the turn after this one. */
  holdBack(): void {
    this.#held = [];
    this.link.pause();
    this.#core.world.soon(() => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const { bytes, text } of held) this.onMessage(bytes, text);
      this.onIdle();
      if (!this.#core.isPaused) this.link.resume();
    });
  }

  onMessage(bytes: Uint8Array, text: boolean): void {
    if (this.#held) this.#held.push({ bytes: new Uint8Array(bytes), text });
    else if (!this.#session) this.#receiveFirst(bytes, text);
    else this.#session.receive(this.link, bytes, text, this.#core.world.now());
  }

  onIdle(): void {
    this.#session?.idle();
  }

  onDrain(): void {
    this.#session?.drained(this.link);
  }

  onPong(): void {
    this.#session?.heard(this.#core.world.now());
  }

  onEnd(): void {
    if (!ON_PAGE) this.#core.onPeerEnd();
  }

  onClosed(reason: CloseReason): void {
    this.#login?.settle(new HawserError('ERR_DISCONNECTED', `no welcome: ${reason.reason}`, { cause: reason }));
    this.#session?.detach(this.link, reason, this.#core.world.now());
  }

  #receiveFirst(bytes: Uint8Array, text: boolean): void {
    const message = this.#core.codec.decode(bytes, text);
    try {
      if (message.kind === MESSAGE.failure) throw new HawserError(message.name, (message.data as FailureData).message);
      if (message.kind !== MESSAGE.welcome) throw new HawserError('ERR_PROTOCOL', ON_PAGE ? undefined : 'no welcome');
      this.#welcome(message.data as Welcome);
    } catch (error) {
      this.#refuse(error);
    }
  }

  #welcome(welcome: Welcome): void {
    this.#session = this.#login?.onWelcome(welcome);
    this.#login?.settle();
  }

  #refuse(error: unknown): void {
    this.#login?.settle(error);
    void this.link.close(closeReason(CLOSE.normal));
  }
}
