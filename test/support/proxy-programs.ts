import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { haproxy, nginx } from './programs.ts';
import { textOf } from './tree.ts';

/** What is to be done when a test is over. */
type Closers = (() => Promise<unknown>)[];

/** The configuration that the guide shows, with other ports. */
function configOf(language: string, ports: Readonly<Record<string, string>>): string {
  const [, block = ''] = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(textOf('docs/guides/proxies.md')) ?? [];
  return Object.entries(ports).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the guide doesn't say ${from}`);
    return text.replaceAll(from, to);
  }, block);
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** Waits until somebody listens. */
async function listens(port: number, program: ChildProcess): Promise<void> {
  while (program.exitCode === null) {
    const socket = dial(port, '127.0.0.1');
    const isUp = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the proxy ended with ${program.exitCode}`);
}

/** Runs a proxy in the foreground until the test is over. */
async function run(
  open: Closers,
  program: string,
  port: number,
  config: string,
  args: (path: string) => string[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-proxy-'));
  const path = join(folder, 'config');
  writeFileSync(path, config);
  const child = spawn(program, args(path), { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  open.push(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true });
  });
  await listens(port, child).catch((error: unknown) => {
    throw new Error(said, { cause: error });
  });
}

/** nginx as the guide has it before a server, with `change` made to its block. Resolves with its port. */
export async function startNginx(
  open: Closers,
  server: string,
  change = (config: string): string => config,
): Promise<number> {
  const port = await freePort();
  const block = change(configOf('nginx', { '127.0.0.1:8080': `127.0.0.1:${port}`, '127.0.0.1:3000': server }));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  const config = `daemon off; pid nginx.pid; error_log stderr;
    events {}
    http { access_log off; ${temps.join(' ')} ${block} }`;
  await run(open, nginx(), port, config, (path) => ['-p', join(path, '..'), '-c', path, '-e', 'stderr']);
  return port;
}

/** haproxy likewise. */
export async function startHaproxy(
  open: Closers,
  server: string,
  change = (config: string): string => config,
): Promise<number> {
  const port = await freePort();
  const block = change(configOf('haproxy', { '127.0.0.1:8081': `127.0.0.1:${port}`, '127.0.0.1:3001': server }));
  const config = `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\n${block}`;
  await run(open, haproxy(), port, config, (path) => ['-db', '-f', path]);
  return port;
}
