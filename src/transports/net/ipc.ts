import type { Stats } from 'node:fs';
import { chmod, link, lstat, mkdtemp, rename, rm, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { HawserError } from '../../core/index.ts';
import type { Endpoint, Transport } from '../../transport/index.ts';
import { isInherited } from '../settings.ts';
import { listenError } from '../sockets.ts';
import { dialSocket } from './dial.ts';
import { NetListener, receiveSockets } from './listener.ts';
import { isPipe, pipeAccess, pipeOf } from './pipe.ts';

/** The longest path of a Unix socket on Linux, in bytes (sun_path less its final zero). */
const PATH_BYTES_MAX = 107;
const PRIVATE_NAME = '.XXXXXX/s';
const OWNER_ONLY = 0o600;

/** `ipc:///path/of.sock`: a Unix socket that its owner alone may use, or whom `?mode=` (octal) lets in. On Windows `ipc://./pipe/name`. */
export const ipcTransport: Transport = {
  schemes: ['ipc'],
  receive: receiveSockets,
  async dial(endpoint, options) {
    return await dialSocket({ path: pathOf(endpoint) }, endpoint, options);
  },
  async listen(endpoint, options) {
    const listener = new NetListener('ipc', options);
    const mode = modeOf(endpoint);
    if (isInherited(endpoint, options.net)) return await listener.listen(endpoint, {});
    const path = pathOf(endpoint);
    if (isPipe(path)) return await listener.listen(endpoint, { path, ...pipeAccess(mode) });
    try {
      const claimed = await claim(listener, endpoint, path, mode);
      return listener.opened(`ipc://${path}`, () => giveBack(path, claimed));
    } catch (error) {
      await listener.close();
      throw error instanceof HawserError ? error : listenError(error as Error, `ipc://${path}`);
    }
  },
};

/**
 * Binds the socket in a private folder beside `path`, sets its mode there and only then gives it its name. So there is no moment
 * at which others could connect, no umask to be changed for the whole process, and, as a hard link never replaces
 * anything, no file of someone else's is lost.
 */
async function claim(listener: NetListener, endpoint: Endpoint, path: string, mode: number): Promise<Stats> {
  await makeRoom(path);
  const folder = await mkdtemp(privateName(path));
  try {
    const bound = join(folder, 's');
    await listener.listen(endpoint, { path: bound });
    await chmod(bound, mode);
    await link(bound, path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? inUse(path, 'another server was faster') : error;
    });
    return await lstat(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The beginning of a folder's name in the folder of `path`: `join` would drop a lone dot, and the folder would be beside it. */
function privateName(path: string): string {
  return join(dirname(path), '.h');
}

/** Removes the socket that a dead server left behind; anything else at `path` is an error. */
async function makeRoom(path: string): Promise<void> {
  const found = await lstat(path).catch(unlessMissing);
  if (found === undefined) return;
  if (!found.isSocket()) throw inUse(path, 'a file that is no socket has this name');
  if (await isAlive(path)) throw inUse(path, 'a server listens there');
  await removeStale(path, found);
}

/** Takes the name away before looking closer: if another server has claimed it since the probe, it gets it back. */
async function removeStale(path: string, stale: Stats): Promise<void> {
  const folder = await mkdtemp(privateName(path));
  try {
    const taken = join(folder, basename(path));
    await rename(path, taken).catch(unlessMissing);
    const moved = await lstat(taken).catch(unlessMissing);
    if (moved === undefined || isSame(moved, stale)) return;
    await link(taken, path);
    throw inUse(path, 'another server was faster');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether someone listens on the socket: one of a dead server refuses. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const probe = connect(path, () => {
      probe.destroy();
      answer(true);
    });
    probe.on('error', (error: NodeJS.ErrnoException) =>
      answer(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

/** Removes the socket unless its name belongs to another by now. */
async function giveBack(path: string, claimed: Stats): Promise<void> {
  const found = await lstat(path).catch(unlessMissing);
  if (found !== undefined && isSame(found, claimed)) await unlink(path).catch(unlessMissing);
}

/** Another server may have removed the file in the meantime: what isn't there needs no removal. */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}

function isSame(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev && a.birthtimeMs === b.birthtimeMs;
}

function pathOf(endpoint: Endpoint): string {
  const pipe = pipeOf(endpoint.path);
  if (pipe !== undefined && process.platform !== 'win32') {
    throw new HawserError('ERR_URL', `named pipes are of Windows: ${pipe}`);
  }
  if (pipe !== undefined) return pipe;
  if (endpoint.path === '' || endpoint.path === '/') throw new HawserError('ERR_URL', 'ipc: names no path');
  const path = resolve(endpoint.path);
  const longest = Math.max(Buffer.byteLength(path), Buffer.byteLength(join(dirname(path), PRIVATE_NAME)));
  if (longest <= PATH_BYTES_MAX) return path;
  throw new HawserError('ERR_URL', `the path of a Unix socket may have ${PATH_BYTES_MAX} bytes: ${path}`);
}

function modeOf(endpoint: Endpoint): number {
  const { mode } = endpoint.reserved;
  if (mode === undefined) return OWNER_ONLY;
  if (!/^0?[0-7]{3}$/.test(mode)) throw new HawserError('ERR_URL', `no mode of a file: ${mode}`);
  return Number.parseInt(mode, 8);
}

function inUse(path: string, why: string): HawserError {
  return new HawserError('ERR_ADDRESS_IN_USE', `ipc://${path} is in use: ${why}`);
}
