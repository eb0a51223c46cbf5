// The mock server: whoever logs in gets back what it says.
import { parseArgs } from 'node:util';
import { createServer, HawserError } from 'hawser';
import { urlOf } from './endpoint.js';

/** @import { Server } from 'hawser' */
/** @import { MockApi } from './api.ts' */

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values } = parseArgs({
  options: {
    protocol: { type: 'string', short: 'p', default: 'ws' },
    address: { type: 'string', short: 'a' },
    'login-wait': { type: 'string', default: '10000' },
    'read-wait': { type: 'string', default: '180000' },
    'write-wait': { type: 'string', default: '10000' },
  },
});

/** @type {Server<MockApi>} */
const server = createServer({
  // The first message says who the peer is; without a name it is sent away.
  authenticate: ({ user }) => {
    if (!user) throw new HawserError('ERR_AUTH_REQUIRED', 'say your name first');
    return { user };
  },
  secondLogin: 'reject',
  times: {
    loginWait: Number(values['login-wait']),
    readWait: Number(values['read-wait']),
    writeWait: Number(values['write-wait']),
    resumeWindow: 0,
  },
});

server.on('connection', (socket) => {
  console.log(`${socket.user} logs in over ${socket.handshake.transport}`);
  socket.on('message', (text) => void socket.send('message', `${text} from server`));
  socket.on('close', ({ code, reason }) => console.log(`${socket.user} is gone (${code} ${reason})`));
});

process.once('SIGINT', () => void server.close());

try {
  const [endpoint] = await server.listen(urlOf(values.protocol, values.address));
  console.log(`server listens on ${endpoint}`);
} catch (error) {
  console.error('server:', error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
