import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What the system tests need beside Node, and the Debian packages that bring it. */
export const INSTALL =
  'apt-get install chromium curl haproxy iproute2 nats-server nghttp2-client nginx-light python3-h2 python3-websockets redis-server socat';

/** The Chromium to drive: `CHROMIUM`, or the first of its usual names. @throws Error that says what to install. */
export function chromium(): string {
  const path = process.env['CHROMIUM'] || find(['chromium', 'chromium-browser', 'google-chrome']);
  if (path === undefined || !isExecutable(path)) throw new Error(`Chromium is missing: ${INSTALL}`);
  return path;
}

/** A Python that has `websockets` and `h2`: `PYTHON`, Debian's own, or the first on the path. @throws Error that says what to install. */
export function python(): string {
  const candidates = [process.env['PYTHON'], '/usr/bin/python3', find(['python3'])];
  for (const path of candidates) {
    if (path && spawnSync(path, ['-c', 'import websockets, h2']).status === 0) return path;
  }
  throw new Error(`Python with websockets and h2 is missing: ${INSTALL}`);
}

/** Each by its name. @throws Error that says what to install. */
export const curl = (): string => program('curl');
/** These two of nghttp2. */
export const h2load = (): string => program('h2load');
export const nghttp = (): string => program('nghttp');
export const socat = (): string => program('socat');
export const nginx = (): string => program('nginx', ['/usr/sbin/nginx']);
export const haproxy = (): string => program('haproxy', ['/usr/sbin/haproxy']);
export const natsServer = (): string => program('nats-server', ['/usr/sbin/nats-server']);
export const redisServer = (): string => program('redis-server');
/** `ip`, of iproute2. */
export const iproute = (): string => program('ip', ['/usr/sbin/ip', '/sbin/ip']);

function program(name: string, others: readonly string[] = []): string {
  const path = find([name]) ?? others.find(isExecutable);
  if (path === undefined) throw new Error(`${name} is missing: ${INSTALL}`);
  return path;
}

function find(names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
