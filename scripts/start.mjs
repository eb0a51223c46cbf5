// npm start: builds if needed, then is `hawser serve` with the arguments that were given.
import { fileURLToPath } from 'node:url';
import { buildIfStale } from './build.mjs';

const command = new URL('../dist/cli/main.js', import.meta.url);

try {
  await buildIfStale();
} catch (error) {
  const [first = ''] = error.message.split('\n');
  console.error(`start: the build failed: ${first} (npm run build shows all)`);
  process.exit(1);
}
process.argv = [process.execPath, fileURLToPath(command), 'serve', ...process.argv.slice(2)];
await import(command.href);
