// Thanks for every line, and stops when it is told `quit`.
//   node examples/quic/server.js [URL]

import { createServer } from 'hawser';

const [url = 'quic://127.0.0.1:3000?cert=keys/cert.pem&key=keys/key.pem'] = process.argv.slice(2);
const server = createServer();

server.on('connection', (socket) => {
  console.log(`${socket.handshake.remote} is here, over ${socket.handshake.transport}`);
  socket.on('close', ({ code }) => console.log(`${socket.handshake.remote} is gone (${code})`));
  socket.handle('line', (data) => {
    console.log(`we received data: ${String(data)}`);
    if (data !== 'quit') return 'Thank you for the data!';
    console.log('we are going to stop listening for data');
    // The answer goes out first.
    setImmediate(() => void server.close());
    return 'Good bye!';
  });
});

process.once('SIGINT', () => void server.close());

try {
  const [where] = await server.listen(url);
  console.log(`listening on ${where}`);
} catch (error) {
  console.error(`server: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
