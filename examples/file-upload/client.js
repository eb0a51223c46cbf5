// Sends one file over UDP.
//   node examples/file-upload/client.js FILE [--port 45456] [--host 127.0.0.1] [--keys DIR]

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'hawser/udpack.io';

/** What was typed; its files are looked at before anybody is dialled. */
function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        port: { type: 'string', default: '45456' },
        host: { type: 'string', default: '127.0.0.1' },
        keys: { type: 'string', default: `${import.meta.dirname}/keys` },
      },
    });
    const [pathname = ''] = positionals;
    return {
      ...values,
      pathname,
      filesize: fs.statSync(pathname).size,
      pubkey: fs.readFileSync(`${values.keys}/pubkey.pem`),
    };
  } catch (error) {
    console.error(`client: ${error instanceof Error ? error.message : String(error)}`);
    return process.exit(1);
  }
}

const { pathname, filesize, pubkey, ...given } = readArguments();
const serverAddr = given.host;
const serverPort = Number(given.port);
const port = 0; // the system chooses one
const host = '0.0.0.0';
const token = 'ea970f20b09311ebbe1d11acebc10dbf';

const client = new Client({ port, host, pubkey, token });

let total = 0;
let sent = 0;
console.time('used');

/** @param {Error | null | undefined} err */
const cb = (err) => {
  if (err) {
    console.error(err.message);
    process.exitCode = 1;
    client.close();
  }
};

client.connect(serverPort, serverAddr, cb);

client
  .on('connection', () => {
    client.openChannel((err, channel) => {
      if (err || !channel) {
        cb(err);
        return;
      }
      const filename = path.basename(pathname);
      total = filesize;
      console.log(`sending ${filename}`);
      channel.send('file', { filename, filesize }, (refused) => {
        if (refused) {
          cb(refused);
          return;
        }
        const readStream = fs.createReadStream(pathname, { highWaterMark: 1024 * 1024 });
        readStream
          .on('data', (chunk) => {
            readStream.pause();
            channel.send('chunk', { chunk }, (lost) => {
              if (lost) {
                cb(lost);
                return;
              }
              sent += chunk.length;
              readStream.resume();
            });
          })
          .on('end', () => {
            channel.send('finish');
          })
          .on('error', cb);

        channel.on('done', () => {
          console.log(`${sent} bytes sent`);
          console.timeEnd('used');
          channel.send('done', {}, (unheard) => {
            if (unheard) console.error(unheard.message);
            client.close();
          });
        });
      });
    });
  })
  .on('connect_error', () => {
    client.close();
  })
  .on('speed', (speed) => {
    console.clear();
    console.log(`[${((sent / (total || 0.00001)) * 100).toFixed(2)}%] [send.speed ${speed.send} KB/s]`);
  });
