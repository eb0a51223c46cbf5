// Sends a file, says that this was all, and looks at what comes back.
//   node examples/tcp-echo/client.js FILE [--url tcp://127.0.0.1:7000] [--from 127.0.0.1]

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { connect, duplexOf } from 'hawser/client';

/** How many bytes passed, and which. */
class Sum {
  bytes = 0;
  #hash = createHash('sha256');

  /** @param {string | Buffer} chunk */
  add(chunk) {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
  }

  get digest() {
    return this.#hash.copy().digest('hex');
  }
}

process.on('uncaughtException', ({ message }) => {
  console.error(message);
  process.exit(1);
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: 'string', default: 'tcp://127.0.0.1:7000' }, from: { type: 'string' } },
});

try {
  const [path] = positionals;
  if (!path) throw new Error('which file?');
  const socket = await connect({ url: `${values.url}?dialect=raw`, ...(values.from && { localAddress: values.from }) });
  const stream = duplexOf(socket);
  const file = createReadStream(path);
  const [sent, back] = [new Sum(), new Sum()];
  file.on('data', (chunk) => sent.add(chunk));
  stream.on('data', (chunk) => back.add(chunk));
  await Promise.all([pipeline(file, stream), once(stream, 'end')]);
  await socket.close();
  console.log(`${sent.bytes} bytes sent, ${back.bytes} came back`);
  if (sent.digest !== back.digest) throw new Error('they are not the same');
  console.log('they are the same');
} catch (error) {
  console.error(`client: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
