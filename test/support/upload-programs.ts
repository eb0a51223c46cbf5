import type { EventEmitter } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import type { ClientOptions, ServerOptions } from '../../src/compat/udpack-io/index.ts';

/** What the two programs below ask of udpack.io. */
export interface UploadChannel extends EventEmitter {
  send(event: string, data?: unknown, done?: (error: Error | null) => void): void;
}

export interface UploadServer extends EventEmitter {
  close(): unknown;
}

export interface UploadClient extends EventEmitter {
  connect(port: number, host: string, done: (error: Error | null) => void): unknown;
  openChannel(done: (error: Error | null, channel?: UploadChannel) => void): void;
  close(): unknown;
}

interface Heard {
  readonly received: number;
  readonly speeds: readonly unknown[];
}

const SECRET = '6e1c1e1f2d3b4a59';

/** As a program that takes one file in begins: what it listens with. */
export function serverOptions(keys: string, port: number): ServerOptions & Record<string, unknown> {
  return {
    port,
    host: '0.0.0.0',
    pubkey: fs.readFileSync(`${keys}/pubkey.pem`),
    prikey: fs.readFileSync(`${keys}/prikey.pem`),
    authToken: (token: string) => token === SECRET,
  };
}

/** As a program that sends one file begins. */
export function clientOptions(keys: string): ClientOptions & Record<string, unknown> {
  return { port: 0, host: '0.0.0.0', pubkey: fs.readFileSync(`${keys}/pubkey.pem`), token: SECRET };
}

/** The program that takes a file in: it opens a file at `file`, writes at `chunk`, and says `done` at `finish`. */
export function takeIn(server: UploadServer, folder: string): Promise<Heard> {
  return new Promise((resolve, reject) => {
    let [total, received] = [0, 0];
    const speeds: unknown[] = [];
    const failed = (error?: Error | null): void => {
      if (error === undefined || error === null) return;
      reject(error);
      server.close();
    };
    server
      .on('channel', (channel: UploadChannel) => {
        channel.on('file', ({ filename, filesize }: { filename: string; filesize: number }) => {
          const file = fs.createWriteStream(path.join(folder, filename));
          file.on('error', failed);
          total = filesize;
          channel
            .on('chunk', ({ chunk }: { chunk: Uint8Array }) => {
              received += chunk.length;
              file.write(chunk, failed);
            })
            .on('finish', () => {
              file.end(() => channel.send('done', {}, failed));
            })
            .on('done', () => server.close());
        });
      })
      .on('speed', (speed) => speeds.push([received / (total || 1), speed]))
      .on('close', () => resolve({ received, speeds }));
  });
}

/** The program that sends a file: a piece when the one before has arrived, and an end when the server says `done`. */
export function sendOver(client: UploadClient, port: number, pathname: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    const failed = (error?: Error | null): void => {
      if (error === undefined || error === null) return;
      reject(error);
      client.close();
    };
    client.connect(port, '127.0.0.1', failed);
    client
      .on('connection', () => {
        client.openChannel((error, channel) => {
          if (channel === undefined) return failed(error);
          const filename = path.basename(pathname);
          const { size: filesize } = fs.statSync(pathname);
          channel.send('file', { filename, filesize }, (refused) => {
            if (refused !== null) return failed(refused);
            const file = fs.createReadStream(pathname, { highWaterMark: 1024 * 1024 });
            file
              .on('data', (chunk) => {
                file.pause();
                channel.send('chunk', { chunk }, (lost) => {
                  if (lost !== null) return failed(lost);
                  sent += chunk.length;
                  file.resume();
                });
              })
              .on('end', () => channel.send('finish'))
              .on('error', failed);
            channel.on('done', () => {
              channel.send('done', {}, () => {
                client.close();
                resolve(sent);
              });
            });
          });
        });
      })
      .on('connect_error', () => {
        reject(new Error('connect_error'));
        client.close();
      });
  });
}
