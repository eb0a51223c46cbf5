import { parentPort, workerData } from 'node:worker_threads';
import { connect } from '../../src/client/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { createServer } from '../../src/server/index.ts';
import { parseEndpoint } from '../../src/transport/index.ts';
import { workerTransport } from '../../src/transports/worker/index.ts';

/** What the thread of a test is to be: a server on `url`, a client of it, or the holder of a mere link. */
export interface ThreadTask {
  readonly role: 'server' | 'client' | 'link';
  readonly url: string;
}

/** A thread that listens or connects, and ends in whatever way its peer asks for. Bundled and started by `thread.ts`. */
const { role, url } = workerData as ThreadTask;

let heard = 0;

const answers = {
  echo: (data: unknown) => data,
  heard: () => heard,
  stop: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300),
  return: () => later(() => end()),
  exit: () => later(() => process.exit(7)),
  throw: () =>
    later(() => {
      throw new TypeError('no such thing');
    }),
  reject: () => later(() => void Promise.reject(new RangeError('too far'))),
};

let end = (): void => {};

if (role === 'server') {
  const server = createServer();
  server.on('connection', (socket) => {
    for (const [name, answer] of Object.entries(answers)) socket.handle(name, answer);
    socket.on('more', () => heard++);
  });
  end = () => process.exit(0);
  await server.listen(url);
} else if (role === 'link') {
  await workerTransport.dial(parseEndpoint(url), {
    world: realWorld(),
    messageBytes: 1000,
    backlogMark: 1000,
    closeWait: 1000,
    signal: new AbortController().signal,
    protocols: ['hawser.v1'],
  });
} else {
  const socket = await connect(url);
  for (const [name, answer] of Object.entries(answers)) socket.handle(name, answer);
  socket.on('leave', () => void socket.close());
  end = () => process.exit(0);
}
parentPort?.postMessage('ready');

/** After the answer has left. */
function later(run: () => void): void {
  setTimeout(run, 5);
}
