/** One of the workers of a test: what it does is the JSON in its first argument. */
import { createServer } from 'node:net';
import { thisWorker } from '../../src/engines/cluster/index.ts';

interface Task {
  /** Ends with this code at once, or when it was ready for so many ms. */
  readonly dies?: { readonly code: number; readonly after?: number };
  readonly listens?: boolean;
  /** Says that it is ready, `false`: not of itself. */
  readonly tells?: boolean;
  readonly stops?: boolean;
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task;
const worker = thisWorker();
const { dies } = task;
if (process.env['WORKER_FAILS'] !== undefined) process.exit(Number(process.env['WORKER_FAILS']));
if (dies !== undefined && dies.after === undefined) process.exit(dies.code);
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.end(`${process.pid}\n`);
});
worker?.channel.onForwarded((from, bytes) => process.send?.({ heard: Buffer.from(bytes).toString(), from }));
worker?.onSocket((socket, at) => socket.end(`${process.pid} ${at}\n`));
process.on('message', (message: { readonly forward?: number; readonly text?: string }) => {
  if (message.forward !== undefined) worker?.channel.forward(message.forward, Buffer.from(message.text ?? ''));
});
if (task.stops !== false) {
  worker?.onStop(() => new Promise((resolve) => server.close(resolve)));
}
if (task.listens !== false)
  server.listen({ port: 0, host: '127.0.0.1' }, () => {
    if (task.tells !== false) worker?.ready({ port: (server.address() as { port: number }).port });
    if (dies?.after !== undefined) setTimeout(() => process.exit(dies.code), dies.after);
  });
else setInterval(() => {}, 60_000);
