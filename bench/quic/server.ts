/** Counts what comes, and answers. Its words: the transport, the folder of the keys, and the world. */
import { createServer } from 'hawser';
import { createQuicTransport } from 'hawser/transports/quic';
import type { Api } from './client.ts';
import { INTERNET } from './settings.ts';

const [way = '', folder = '', world = ''] = process.argv.slice(2);
const url = {
  quic: `quic://127.0.0.1:0?cert=${folder}/cert.pem&key=${folder}/key.pem`,
  tls: `tls://127.0.0.1:0?cert=${folder}/cert.pem&key=${folder}/key.pem`,
  udpack: `udpack://127.0.0.1:0?key=${folder}/server.key`,
}[way];
if (url === undefined) throw new Error(`no such transport: ${way}`);

let bytes = 0;
const server = createServer<Api>({
  limits: { messageRate: Infinity },
  ...(world === 'internet' && { transports: [createQuicTransport(INTERNET)] }),
});
server.on('connection', (socket) => {
  socket.on('bulk', (data) => {
    bytes += data.length;
  });
  socket.handle('echo', (data) => data);
  socket.handle('mark', () => {
    const { user, system } = process.cpuUsage();
    return { bytes, cpuUs: user + system };
  });
});
const [endpoint = ''] = await server.listen(url);
process.send?.(new URL(endpoint.replace(/^\w+:/, 'http:')).port);
