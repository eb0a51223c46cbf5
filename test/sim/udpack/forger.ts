import { FRAME, FrameWriter } from '../../../src/udpack/frames.ts';
import { ClientHandshake, KIND } from '../../../src/udpack/handshake/index.ts';
import {
  type Address,
  type Crypto,
  Endpoint,
  type KeyPair,
  type Session,
  type SessionEvent,
  UDPACK_LIMITS,
  UDPACK_TIMES,
} from '../../../src/udpack/index.ts';
import { looksSealed, Protection, SEALED_HEADER_BYTES, writeSealedHeader } from '../../../src/udpack/protection.ts';
import { parametersOf } from '../../../src/udpack/session-types.ts';
import { Chance } from './chance.ts';
import { cheapCrypto, Witness, watched } from './crypto.ts';

export const SERVER: Address = { address: '10.0.0.1', port: 443 };
export const TOKEN: Uint8Array = Uint8Array.of(7);

/** A server with an honest client, whose session no attack may harm. */
export class Scene {
  now = 0;
  readonly crypto: Crypto;
  readonly key: KeyPair;
  readonly server: Endpoint;
  readonly client: Endpoint;
  readonly honest: Session;
  readonly clientAddress: Address = { address: '10.1.0.1', port: 1000 };
  /** What the server sent, by address. */
  readonly out: Map<string, Uint8Array[]> = new Map();
  readonly events: Map<Session, SessionEvent[]> = new Map();
  #served: Session | undefined;
  readonly #buffer = new Uint8Array(65_535);

  constructor(limits: Partial<typeof UDPACK_LIMITS> = {}) {
    const fail = (what: string): void => {
      throw new Error(what);
    };
    this.crypto = watched(cheapCrypto, new Chance(4), new Witness(fail));
    this.key = this.crypto.keyPair();
    this.server = new Endpoint({ crypto: this.crypto, key: this.key, limits }, 0);
    this.client = new Endpoint({ crypto: this.crypto }, 0);
    this.honest = this.client.dial(SERVER, this.key.publicKey, TOKEN, 0);
    this.run(100);
  }

  /** The events of the server's side of the honest session, or of another. */
  of(session: Session): readonly SessionEvent[] {
    return this.events.get(session) ?? [];
  }

  /** Lets both endpoints do what they have to do for so many ms, without delay between them. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      this.#exchange();
      const next = Math.min(this.server.deadline ?? Infinity, this.client.deadline ?? Infinity);
      if (next > end) break;
      this.now = Math.max(next, this.now + 0.01);
      this.server.tick(this.now);
      this.client.tick(this.now);
    }
    this.now = end;
  }

  /** The honest session still carries a packet there. */
  proveUnharmed(): void {
    const { streams } = this.honest;
    const stream = streams.open('packets');
    streams.write(stream, Uint8Array.of(1, 2, 3), {}, this.now);
    this.run(200);
    const served = this.#served;
    const came =
      served === undefined ? [] : this.of(served).filter((event) => event.type === 'packet' && event.stream === stream);
    if (came.length !== 1 || this.honest.state !== 'open')
      throw new Error(`the honest session is harmed: ${this.honest.state}`);
  }

  #exchange(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const from of [this.client, this.server]) {
        for (let length = this.#transmit(from); length > 0; length = this.#transmit(from)) busy = true;
        for (let session = from.poll(); session !== undefined; session = from.poll()) this.#hear(session);
      }
    }
  }

  #transmit(from: Endpoint): number {
    const length = from.transmit(this.#buffer, this.now);
    if (length === 0) return 0;
    const bytes = this.#buffer.slice(0, length);
    if (from === this.client) this.server.receive(bytes, this.clientAddress, this.now);
    else if (from.destination.port === this.clientAddress.port) this.client.receive(bytes, SERVER, this.now);
    else {
      const name = `${from.destination.address} ${from.destination.port}`;
      const sent = this.out.get(name) ?? [];
      sent.push(bytes);
      this.out.set(name, sent);
    }
    return length;
  }

  #hear(session: Session): void {
    const events = this.events.get(session) ?? [];
    this.events.set(session, events);
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      events.push(event);
      if (event.type !== 'auth') continue;
      this.#served ??= session;
      session.accept();
    }
  }
}

/** A client with good keys and bad intentions: it seals whatever it likes. */
export class Forger {
  readonly scene: Scene;
  readonly address: Address;
  /** The server's side of its session. */
  readonly victim: Session;
  readonly #protection: Protection;
  readonly #id: Uint8Array;
  #number = 0;

  constructor(scene: Scene, { port = 6666, shows = true }: { readonly port?: number; readonly shows?: boolean } = {}) {
    this.scene = scene;
    this.address = { address: '10.6.6.6', port };
    const { crypto, key } = scene;
    const id = crypto.random(8);
    const options = { limits: UDPACK_LIMITS, times: UDPACK_TIMES, datagramSize: 1452 };
    const parameters = parametersOf(options, undefined, undefined);
    const handshake = new ClientHandshake({ crypto, serverKey: key.publicKey, id, parameters });
    const before = new Set(scene.server.sessions());
    scene.server.receive(handshake.initial, this.address, scene.now);
    scene.run(1);
    const response = this.replies.find((bytes) => bytes[0] === KIND.response);
    const established = response && handshake.receive(response);
    if (typeof established !== 'object' || established.peer.id === undefined) throw new Error('no handshake');
    this.#id = established.peer.id;
    const limits = { bytes: 1e9, age: 1e9, forgeries: 1e9 };
    this.#protection = new Protection({ ...established, crypto, limits }, scene.now);
    const victim = [...scene.server.sessions()].find((session) => !before.has(session));
    if (victim === undefined) throw new Error('no session');
    this.victim = victim;
    if (shows) this.showToken();
  }

  showToken(): void {
    this.send((writer) => writer.counted(FRAME.auth, TOKEN));
  }

  /** What the server sent back. */
  get replies(): readonly Uint8Array[] {
    return this.scene.out.get(`${this.address.address} ${this.address.port}`) ?? [];
  }

  get sealedReplies(): number {
    return this.replies.filter((bytes) => looksSealed(bytes[0] ?? 0)).length;
  }

  /** Seals one datagram of frames, as they are written, and lets the server answer. */
  send(...frames: readonly ((writer: FrameWriter) => unknown)[]): void {
    this.receive(...frames);
    this.scene.run(1);
  }

  /** The server gets one datagram of frames, and no time for more than to read them. */
  receive(...frames: readonly ((writer: FrameWriter) => unknown)[]): void {
    const bytes = new Uint8Array(1500);
    const writer = new FrameWriter(bytes, SEALED_HEADER_BYTES, 1450);
    for (const frame of frames) frame(writer);
    writeSealedHeader(bytes, this.#id, this.#number);
    const length = this.#protection.seal(bytes, writer.at, 0, this.#number, this.scene.now);
    this.#number++;
    this.scene.server.receive(bytes.subarray(0, length), this.address, this.scene.now);
  }

  /** How the victim's session ended; undefined: it has not. */
  get ended(): string | undefined {
    const closed = this.scene.of(this.victim).find((event) => event.type === 'closed' && 'code' in event);
    return closed?.type === 'closed' && 'fault' in closed ? (closed.fault ?? 'by the application') : undefined;
  }
}
