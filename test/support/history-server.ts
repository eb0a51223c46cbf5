import { createServer, type Server, type ServerOptions } from '../../src/server/index.ts';
import { freshUrl } from './house.ts';
import { Listener } from './listener.ts';

/** Servers and clients of one test, which end with it. */
export class Opened implements AsyncDisposable {
  readonly #open: AsyncDisposable[] = [];

  keep<T extends AsyncDisposable>(one: T): T {
    this.#open.push(one);
    return one;
  }

  async listen(url: string): Promise<Listener> {
    return this.keep(await Listener.open(url));
  }

  /** A server whose rooms have history, and which has everybody join `room`. */
  async serve(
    options: ServerOptions = {},
    url: string = freshUrl('tcp'),
  ): Promise<{ readonly server: Server; readonly url: string }> {
    const server = this.keep(createServer({ times: { closeWait: 200 }, onError: () => {}, ...options }));
    server.history('*', { size: 100 });
    server.on('connection', (socket) => {
      socket.join('room');
    });
    const [endpoint = ''] = await server.listen(url);
    return { server, url: endpoint };
  }

  /** The last first. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  }
}
