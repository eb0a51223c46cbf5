import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuUsOf } from '../programs.ts';
import type { Protocol } from './results.ts';

/** What is served: a folder of files, by a certificate that vouches for itself. */
export interface Site {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
}

/** A server that runs, on the first core alone. */
export interface Running {
  readonly port: number;
  /** us, of all its processes. */
  cpuUs(): number;
  stop(): Promise<void>;
}

export type Contestant = (site: Site, protocol: Protocol, profile: string | undefined) => Promise<Running>;

export const CONTESTANTS: Readonly<Record<string, Contestant>> = {
  hawser: (site, _, profile) => onNode('hawser', site, profile),
  'hawser, nothing in memory': (site, _, profile) => onNode('hawser-disk', site, profile),
  node: (site, protocol, profile) => onNode(protocol === 'HTTP/2' ? 'node-http2' : 'node-https', site, profile),
  nginx: (site) => nginx(site),
};

async function onNode(kind: string, { folder, cert, key }: Site, profile: string | undefined): Promise<Running> {
  const program = fileURLToPath(new URL('server.mjs', import.meta.url));
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = pinned(process.execPath, [...flags, program, kind, folder, cert, key]);
  const lines = createInterface(child.stdout as NodeJS.ReadableStream);
  const [line] = (await Promise.race([once(lines, 'line'), ended(child)])) as [string];
  return running(child, Number(line));
}

async function nginx({ folder, cert, key }: Site): Promise<Running> {
  const port = await freePort();
  const place = join(folder, '..');
  const config = join(place, 'nginx.conf');
  writeFileSync(config, nginxConfig(port, place, folder, cert, key));
  const child = pinned(nginxPath(), ['-p', place, '-c', config, '-e', 'stderr']);
  const failed = ended(child);
  failed.catch(() => {});
  while (!(await answers(port))) await Promise.race([sleep(20), failed]);
  return running(child, port);
}

function nginxConfig(port: number, place: string, folder: string, cert: string, key: string): string {
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${place}/${name};`,
  );
  return `daemon off; pid ${place}/nginx.pid; error_log stderr; worker_processes 1;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events { worker_connections 1024; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
      types { text/javascript js; } ${temps.join(' ')}
      server {
        listen 127.0.0.1:${port} ssl http2; root ${folder};
        ssl_certificate ${cert}; ssl_certificate_key ${key};
      }
    }`;
}

/** Debian has it where only root looks. */
function nginxPath(): string {
  return execFileSync('sh', ['-c', 'PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v nginx'], {
    encoding: 'utf8',
  }).trim();
}

export function nginxVersion(): string {
  return (
    execFileSync('sh', ['-c', `${nginxPath()} -v 2>&1`], { encoding: 'utf8' })
      .trim()
      .split('/')
      .at(-1) ?? ''
  );
}

function pinned(command: string, args: readonly string[]): ChildProcess {
  return spawn('taskset', ['-c', '0', command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`a server ended with ${code}`);
}

function running(child: ChildProcess, port: number): Running {
  const stop = async (): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };
  return { port, stop, cpuUs: () => familyOf(child.pid ?? 0).reduce((sum, pid) => sum + cpuUsOf(pid), 0) };
}

/** A process and its children. */
function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const is = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
  });
  socket.destroy();
  return is;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
