// Takes one file over UDP, and ends.
//   node examples/file-upload/server.js [--port 45456] [--keys DIR] [--dir received]

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Server } from 'hawser/udpack.io';

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '45456' },
        keys: { type: 'string', default: `${import.meta.dirname}/keys` },
        dir: { type: 'string', default: 'received' },
      },
    });
    fs.mkdirSync(values.dir, { recursive: true });
    const pubkey = fs.readFileSync(`${values.keys}/pubkey.pem`);
    const prikey = fs.readFileSync(`${values.keys}/prikey.pem`);
    return { ...values, pubkey, prikey };
  } catch (error) {
    console.error(`server: ${error instanceof Error ? error.message : String(error)}`);
    return process.exit(1);
  }
}

const { pubkey, prikey, ...values } = readArguments();
const port = Number(values.port);
const host = '0.0.0.0';
/** @param {string} token */
const authToken = (token) => token === 'ea970f20b09311ebbe1d11acebc10dbf';

const server = new Server({ port, host, pubkey, prikey, authToken });

let total = 0;
let received = 0;
console.time('used');

/** @param {Error | null | undefined} err */
const cb = (err) => {
  if (err) {
    console.error(err.message);
    process.exitCode = 1;
    server.close();
  }
};

server
  .on('listening', () => console.log(`listening on port ${server.udpack.endpoint?.port}`))
  .on('error', cb)
  .on('channel', (channel) => {
    channel.on('file', (file) => {
      // A name from elsewhere may hold a path that leads anywhere.
      const writeStream = fs.createWriteStream(path.join(values.dir, path.basename(file.filename)));
      writeStream.on('error', cb);
      total = file.filesize;

      channel
        .on('chunk', (data) => {
          received += data.chunk.length;
          writeStream.write(data.chunk, cb);
        })
        .on('finish', () => {
          writeStream.end(() => {
            console.log(`${received} bytes received`);
            console.timeEnd('used');
            channel.send('done', {}, cb);
          });
        })
        .on('done', () => {
          server.close();
        });
    });
  })
  .on('speed', (speed) => {
    console.clear();
    console.log(`[${((received / (total || 0.00001)) * 100).toFixed(2)}%] [recv.speed ${speed.recv} KB/s]`);
  });
