/** One of several workers on one UDP port: answers each packet with its own number before it. Its arguments are the private key and the port. */
import { thisWorker } from '../../src/engines/cluster/index.ts';
import { UDPack } from '../../src/udpack-endpoint/index.ts';

const [, , prikey = '', port = '0'] = process.argv;
const worker = thisWorker();
// Clients leave when they like.
const udpack = new UDPack({ prikey, port: Number(port), workers: worker?.channel, onError: () => {} });
udpack.on('stream', (stream) => {
  stream.on('data', (packet) => stream.send(`${worker?.number} ${packet.toString()}`));
  stream.on('end', () => stream.end());
});
process.on('message', (asked) => {
  if (asked === 'stats') process.send?.({ stats: udpack.stats() });
});
worker?.onStop(() => udpack.close());
await udpack.ready();
worker?.ready({ port: udpack.endpoint?.port });
