import { EventEmitter } from 'node:events';
import type { HawserError } from '../../core/index.ts';
import { UDPack, type UdpackClose, type UdpackSession } from '../../udpack-endpoint/index.ts';
import { Channel, type Done } from './channel.ts';
import type { ClientEvents, ClientOptions } from './options.ts';
import { log } from './report.ts';
import { Socket } from './socket.ts';

interface Target {
  readonly port: number;
  readonly host: string;
}

/** Dials one server, and dials it again when that goes away. */
export class Client extends EventEmitter<ClientEvents> {
  readonly udpack: UDPack;
  #target: Target | undefined;
  #closed = false;

  /** It binds at once. @throws HawserError ERR_OPTION, ERR_KEY. */
  constructor(options: ClientOptions) {
    super();
    this.udpack = new UDPack({ onError: log, ...options })
      .on('listening', () => void this.emit('listening'))
      .on('session', (session) => this.#onSession(session))
      .on('connect_error', (error) => {
        if (!this.#closed) this.emit('connect_error', error);
      })
      .on('speed', (speed) => void this.emit('speed', speed))
      .on('error', (error) => void this.emit('error', error))
      .on('close', () => void this.emit('close'));
  }

  /** Dials. `done` hears of the first attempt alone; `connection` of every session. */
  connect(port: number, host: string, done: Done = () => {}): this {
    this.#target = { port, host };
    this.udpack.connect(port, host, (error) => done(error));
    return this;
  }

  /** Opens a channel to the server. */
  openChannel(done: (error: HawserError | null, channel?: Channel) => void): void {
    this.udpack.openStream((error, stream) => {
      if (stream === undefined) done(error);
      else done(null, new Channel(stream, log));
    });
  }

  /** Ends the session when what was sent has arrived. */
  close(): this {
    this.#closed = true;
    void this.udpack.close();
    return this;
  }

  #onSession(session: UdpackSession): void {
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      this.#redial();
    };
    session.on('goaway', () => {
      leave();
      void session.close();
    });
    session.on('close', (close) => {
      if (mayComeBack(close)) leave();
    });
    this.emit('connection', new Socket(session));
  }

  #redial(): void {
    if (this.#closed || this.#target === undefined) return;
    this.udpack.connect(this.#target.port, this.#target.host);
  }
}

/** Whether the session ended by no will of this side's, and a new one may do better. */
function mayComeBack({ by, error }: UdpackClose): boolean {
  if (error === undefined) return by === 'peer';
  return ['ERR_PEER_SILENT', 'ERR_SESSION_LOST', 'ERR_INTERNAL'].includes(error.code);
}
