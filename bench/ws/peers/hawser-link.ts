import { pattern } from '../../udp/tally.ts';
import type { Peer } from './index.ts';

type Core = typeof import('../../../src/core/index.ts');
type Runtime = typeof import('../../../src/runtime/index.ts');
type Transports = typeof import('../../../src/transports/websocket/index.ts');
type Contracts = typeof import('../../../src/transport/index.ts');
type Link = import('../../../src/transport/index.ts').Link;
type LinkHandler = import('../../../src/transport/index.ts').LinkHandler;

/** A folder of Hawser as it is shipped. */
async function door<Door>(folder: string): Promise<Door> {
  return (await import(new URL(`./${folder}/index.js`, import.meta.resolve('hawser')).href)) as Door;
}

/** Hawser's WebSocket transport without anything above it: no sessions, no dialect, no rooms. It is not in the public API. */
export const hawserLink: Peer = {
  serve: async ({ kind, burst, size }) => {
    const [core, runtime, transports, contracts] = await Promise.all([
      door<Core>('core'),
      door<Runtime>('runtime'),
      door<Transports>('transports/websocket'),
      door<Contracts>('transport'),
    ]);
    const { Outbound } = core;
    const news = pattern(size);
    const links = new Set<Link>();
    class Handler implements LinkHandler {
      readonly #link: Link;

      constructor(link: Link) {
        this.#link = link;
      }

      onMessage(bytes: Uint8Array, text: boolean): void {
        if (kind === 'echo') {
          this.#link.send(new Outbound(bytes, text));
          return;
        }
        for (let i = 0; i < burst; i++) {
          const message = new Outbound(news, false);
          for (const one of links) one.send(message);
        }
      }

      onIdle(): void {}

      onDrain(): void {}

      onPong(): void {}

      onClosed(): void {
        links.delete(this.#link);
      }
    }
    const listener = await transports.websocketTransport.listen?.(contracts.parseEndpoint('ws://127.0.0.1:0'), {
      world: runtime.realWorld(),
      messageBytes: 1 << 20,
      backlogMark: 1 << 20,
      closeWait: 5000,
      loginWait: 10_000,
      protocols: ['hawser.v1', 'hawser.v1.json'],
      admit: () => undefined,
      onLink: (link) => {
        links.add(link);
        link.start(new Handler(link));
      },
    });
    if (listener === undefined) throw new Error('the transport does not listen');
    return { port: Number(new URL(listener.endpoint).port) };
  },
};
