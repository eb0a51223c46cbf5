import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What figures hang on. */
const SOURCES = ['src', 'wasm', 'package.json', 'bench', ':!bench/results', ':!bench/report'];

/** The commit that is measured, with a + where its sources were changed and not committed. */
export function commitOf(): string {
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', ...SOURCES) !== '';
  return `${git('rev-parse', '--short=12', 'HEAD')}${changed ? '+' : ''}`;
}
