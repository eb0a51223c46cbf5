import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Terminal } from '../support/example.ts';
import { ROOT, textOf } from '../support/tree.ts';

const [app = ''] = [...textOf('docs/guides/cluster-workers.md').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(
  ([, text = '']) => text,
);

/** A port that nobody has at this moment. */
async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

test('the program of the guide runs workers, replaces them and ends', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-guide-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/hawser'), 'dir');
    const [ws, tcp] = [await freePort(), await freePort()];
    const program = app.replace('3000', ws).replace('3001', tcp).replace("workers: 'auto'", 'workers: 2');
    const path = join(folder, 'app.mjs');
    writeFileSync(path, program);
    await using terminal = new Terminal(`node ${path}`);
    await terminal.shows(/'ready'[\s\S]*'ready'/);
    for (const url of [`ws://127.0.0.1:${ws}`, `tcp://127.0.0.1:${tcp}`]) await (await connect(url)).close();
    terminal.signal('SIGHUP');
    await terminal.shows(/'stopped'[\s\S]*'stopped'/);
    await (await connect(`ws://127.0.0.1:${ws}`)).close();
    terminal.signal('SIGTERM');
    expect(await terminal.exit()).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
