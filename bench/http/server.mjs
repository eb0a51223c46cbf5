/**
 * One contestant that runs on Node: `node server.mjs KIND FOLDER CERT KEY`. It prints the port when it listens.
 *
 * `hawser` and `hawser-disk` (which keeps nothing in memory) are serveFiles on an https: endpoint. `node-http2` is what Node's documentation
 * and books show: each stream is answered by respondWithFile. `node-https` is the same for HTTP/1.1: the file's size, then a stream of it.
 */
import { createReadStream, readFileSync, stat } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createServer, serveFiles } from 'hawser';

const [kind, folder, cert, key] = process.argv.slice(2);
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };

const KINDS = {
  hawser: () => hawser({}),
  'hawser-disk': () => hawser({ memoryBytes: 0 }),
  'node-http2': nodeHttp2,
  'node-https': nodeHttps,
};

async function hawser(options) {
  const server = createServer({ insecure: true, onRequest: serveFiles(folder, options) });
  const [endpoint] = await server.listen(`https://127.0.0.1:0?cert=${cert}&key=${key}`);
  return Number(new URL(endpoint).port);
}

function nodeHttp2() {
  const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key), allowHTTP1: true });
  server.on('stream', (stream, headers) => {
    const path = headers[':path'];
    const type = TYPES[extname(path)];
    if (type === undefined) {
      stream.respond({ ':status': 400 });
      stream.end();
      return;
    }
    stream.respondWithFile(
      join(folder, path),
      { ':status': 200, 'content-type': type },
      {
        onError: ({ code }) => {
          stream.respond({ ':status': code === 'ENOENT' ? 404 : 500 });
          stream.end();
        },
      },
    );
  });
  return portOf(server);
}

function nodeHttps() {
  const server = createHttpsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    const path = join(folder, request.url);
    stat(path, (error, stats) => {
      if (error) {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, { 'content-type': TYPES[extname(path)], 'content-length': stats.size });
      pipeline(createReadStream(path), response, () => {});
    });
  });
  return portOf(server);
}

function portOf(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

console.log(await KINDS[kind]());
process.on('SIGTERM', () => process.exit());
