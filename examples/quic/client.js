// Sends each line that is typed, and shows what comes back.
//   node examples/quic/client.js [URL]

import { createInterface } from 'node:readline';
import { connect } from 'hawser/client';

const [url = 'quic://127.0.0.1:3000?ca=keys/cert.pem'] = process.argv.slice(2);

/** @param {string} where */
async function talk(where) {
  const socket = await connect(where, { reconnect: false });
  const lines = createInterface({ input: process.stdin });
  process.once('SIGINT', () => lines.close());
  socket.on('down', ({ code, reason }) => {
    console.log(`the server has gone (${code} ${reason})`);
    lines.close();
  });
  console.log(`connected over ${socket.transport}`);
  try {
    for await (const line of lines) {
      const answer = await socket.request('line', line.trim(), { timeout: 3000 });
      console.log(`we received the following back: ${String(answer)}`);
      if (line.trim() === 'quit') break;
    }
  } finally {
    await socket.close();
  }
}

try {
  await talk(url);
} catch (error) {
  console.error(`client: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  // A terminal that is still open keeps nobody waiting.
  process.stdin.destroy();
}
