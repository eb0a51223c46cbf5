import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, textOf } from './tree.ts';

/** A test that a page names as what shows something: its file, and its title as it is written there. */
export type Proof = readonly [path: string, title: string];

/** What a piece of a page names, written as `file`: “title”. */
export function proofsOf(text: string): Proof[] {
  return [...text.matchAll(/`([^`]+\.ts)`: “([^”]+)”/g)].map(([, path = '', title = '']) => [path, title]);
}

/** What is wrong with a proof; undefined when its file has a test, or a group of tests, of that title. */
export function faultOf([path, title]: Proof): string | undefined {
  if (!existsSync(join(ROOT, path))) return `there is no ${path}`;
  const text = textOf(path);
  const titles = [title, title.replaceAll("'", "\\'")].flatMap((one) => [`'${one}'`, `\`${one}\``, `"${one}"`]);
  return titles.some((one) => text.includes(one)) ? undefined : `${path} has no test “${title}”`;
}
