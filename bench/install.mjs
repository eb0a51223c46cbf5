/**
 * Installs what the benchmarks measure Hawser against into bench/node_modules, unless it is there already, and lets them import this very
 * checkout as `hawser`. With `--link-only` it does the latter alone.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');
const installed = join(modules, '.package-lock.json');

const isStale = () =>
  !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(here, 'package-lock.json')).mtimeMs;

if (!process.argv.includes('--link-only') && isStale()) {
  // A peer that must be compiled is left out where it can't be.
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here, stdio: 'inherit' });
}

const link = join(modules, 'hawser');
mkdirSync(modules, { recursive: true });
if (!existsSync(join(link, 'package.json')) || readlinkSync(link) !== '../..') {
  rmSync(link, { recursive: true, force: true });
  symlinkSync('../..', link, 'dir');
}
