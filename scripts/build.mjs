// Builds dist/: the package with tsc, the browser client in one file and the one that it may load later, then the console's page with vite. With --if-stale only when a source is newer.
// All of it is made beside dist/ and put in place at the end, so that a failed build leaves the last good one.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleClient, bundleLater } from './client-bundle.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DIST = join(ROOT, 'dist');
const STAMP = '.built';
const INPUTS = ['src', 'console', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];

/** Builds when dist/ is missing or older than a source. @throws Error with the tool's own words. */
export async function buildIfStale() {
  const stamp = join(DIST, STAMP);
  if (existsSync(stamp) && newest(INPUTS.map((input) => join(ROOT, input))) <= statSync(stamp).mtimeMs) return;
  await build();
}

/** Builds from nothing. @throws Error with the tool's own words. */
export async function build() {
  const started = new Date();
  const fresh = join(ROOT, `.dist-${process.pid}`);
  const old = `${fresh}-old`;
  try {
    run(bin('tsc'), ['-p', 'tsconfig.build.json', '--outDir', fresh], ROOT);
    for (const { name, code, map } of [await bundleClient(), await bundleLater()]) {
      writeFileSync(join(fresh, 'client', name), code);
      writeFileSync(join(fresh, 'client', `${name}.map`), map);
    }
    const command = join(fresh, 'cli', 'main.js');
    if (existsSync(command)) chmodSync(command, 0o755);
    if (existsSync(join(ROOT, 'console', 'index.html'))) {
      run(bin('vite'), ['build', '--outDir', join(fresh, 'console'), '--emptyOutDir'], join(ROOT, 'console'));
    }
    writeFileSync(join(fresh, STAMP), `${started.toISOString()}\n`);
    // What changes while the build runs is newer than it.
    utimesSync(join(fresh, STAMP), started, started);
    if (existsSync(DIST)) renameSync(DIST, old);
    renameSync(fresh, DIST);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

function bin(name) {
  return join(ROOT, 'node_modules', '.bin', name);
}

function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw new Error(`${command} did not start (${error.message}): run npm ci first`);
  if (status !== 0) throw new Error(`${stdout}${stderr}`.trim());
}

/** When the newest of these files and folders changed, in ms; a folder changes when a file comes or goes. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stat = statSync(path);
    time = Math.max(time, stat.mtimeMs);
    if (!stat.isDirectory()) continue;
    const names = readdirSync(path).filter((name) => name !== 'node_modules' && !name.endsWith('.test.ts'));
    time = Math.max(time, newest(names.map((name) => join(path, name))));
  }
  return time;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    if (process.argv.includes('--if-stale')) await buildIfStale();
    else await build();
  } catch (error) {
    console.error(error.message);
    console.error('build: failed, dist/ is as it was');
    process.exitCode = 1;
  }
}
