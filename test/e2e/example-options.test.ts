import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Terminal } from '../support/example.ts';
import { ROOT } from '../support/tree.ts';

/** All that are started by hand: those that read what was typed; the cache's other part is started by its main program. */
const PROGRAMS = readdirSync(`${ROOT}/examples`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.js'))
  .map((path) => `examples/${path}`)
  .filter((path) => readFileSync(`${ROOT}/${path}`, 'utf8').includes('parseArgs('))
  .filter((path) => path !== 'examples/cache/part.js')
  .toSorted();

test('there are such programs', () => expect(PROGRAMS.length).toBeGreaterThan(10));

test.each(PROGRAMS)('%s says in a line that an option is none of its own', async (path) => {
  await using terminal = new Terminal(`node ${path} --nonsense`);
  expect(await terminal.exit()).toBe(1);
  expect(terminal.shown).toMatch(/^[^\n]*Unknown option '--nonsense'[^\n]*\n$/);
});
