import uWebSockets from '@rjweb/uws';
import { pattern } from '../../udp/tally.ts';
import type { Peer } from './index.ts';

/** uWebSockets.js. Messages may be as long as in the others' defaults, and nothing is dropped for a slow reader. */
export const uws: Peer = {
  serve: ({ kind, burst, size }) =>
    new Promise((resolve, reject) => {
      const news = pattern(size);
      const app = uWebSockets.App();
      app.ws('/*', {
        maxPayloadLength: 16 * 1024 * 1024,
        maxBackpressure: 16 * 1024 * 1024,
        open: (socket) => {
          if (kind === 'broadcast') socket.subscribe('all');
        },
        message: (socket, message, isBinary) => {
          if (kind === 'echo') socket.send(message, isBinary);
          else for (let i = 0; i < burst; i++) app.publish('all', news, true);
        },
      });
      app.listen('127.0.0.1', 0, (listening) => {
        if (listening) resolve({ port: uWebSockets.getSocketPort(listening) });
        else reject(new Error('it does not listen'));
      });
    }),
};
