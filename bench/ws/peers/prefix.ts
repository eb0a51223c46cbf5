import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Peer } from './index.ts';

const HEADER = 4;
const NO_BYTES = Buffer.alloc(0);

/** An echo as one writes it by hand: four bytes of length before each message, and one write for all that one read brought. */
function serveSocket(socket: Socket): void {
  let rest: Buffer = NO_BYTES;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const answers: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const end = at + HEADER + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      answers.push(answerTo(bytes.subarray(at + HEADER, end)));
      at = end;
    }
    rest = bytes.subarray(at);
    if (answers.length === 1) socket.write(answers[0] ?? NO_BYTES);
    else if (answers.length > 1) socket.write(Buffer.concat(answers));
  });
}

function answerTo(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEADER + message.length);
  frame.writeUInt32BE(message.length, 0);
  frame.set(message, HEADER);
  return frame;
}

async function listening(server: Server): Promise<void> {
  await once(server, 'listening');
}

export const prefixTcp: Peer = {
  serve: async () => {
    const server = createServer({ noDelay: true }, serveSocket).listen(0, '127.0.0.1');
    await listening(server);
    return { port: (server.address() as AddressInfo).port };
  },
};

export const prefixIpc: Peer = {
  serve: async () => {
    const path = join(tmpdir(), `hawser-bench-prefix-${process.pid}.sock`);
    await listening(createServer(serveSocket).listen(path));
    process.once('exit', () => rmSync(path, { force: true }));
    return { path };
  },
};
