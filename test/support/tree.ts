import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const NOT_OURS = new Set(['.git', 'node_modules', 'dist', 'coverage']);

/** All files of the tree below `folder`, as paths from the root; without what is installed or built. */
export function filesOf(folder = '.'): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.has(entry.name) || entry.name.startsWith('.dist-')) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return entry.isFile() ? [relative('.', path)] : [];
  });
}

/** The folders right in `folder`, by name. */
export function foldersOf(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** The text of one file of the tree. */
export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The rows of all tables of a Markdown page: their cells, without the lines that make the heads. */
export function tableRows(page: string): string[][] {
  const lines = textOf(page).split('\n');
  const rows = lines.filter((line) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line));
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}
