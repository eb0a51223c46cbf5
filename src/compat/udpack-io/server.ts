import { EventEmitter } from 'node:events';
import { UDPack } from '../../udpack-endpoint/index.ts';
import { Channel } from './channel.ts';
import type { ServerEvents, ServerOptions } from './options.ts';
import { log } from './report.ts';
import { Socket } from './socket.ts';

/** Takes clients in, and the channels that they open. */
export class Server extends EventEmitter<ServerEvents> implements AsyncDisposable {
  readonly udpack: UDPack;

  /** It listens at once. @throws HawserError ERR_OPTION, ERR_KEY. */
  constructor(options: ServerOptions) {
    super();
    const { onError = log } = options;
    this.udpack = new UDPack({ ...options, onError })
      .on('listening', () => void this.emit('listening'))
      .on('session', (session) => {
        const socket = new Socket(session);
        session.on('goaway', () => void socket.close());
        this.emit('connection', socket);
      })
      .on('stream', (stream) => void this.emit('channel', new Channel(stream, onError)))
      .on('speed', (speed) => void this.emit('speed', speed))
      .on('error', (error) => void this.emit('error', error))
      .on('close', () => void this.emit('close'));
  }

  /** Ends all sessions when what was sent has arrived, and stops listening. */
  close(): this {
    void this.udpack.close();
    return this;
  }

  /** Closes it, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.udpack.closed;
  }
}
