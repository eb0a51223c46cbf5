import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { faultOf, proofsOf } from './support/proofs.ts';
import { ROOT, textOf } from './support/tree.ts';

const PAGE = 'docs/SOURCES.md';

/** How many rows each text has: one more or less is meant, and said here. */
const ROWS: Readonly<Record<string, number>> = {
  'UDPack.io': 13,
  'WebSocket services': 20,
  'The KIM communication layer': 20,
  'TCP and UDP in Node': 38,
  'Message passing': 33,
};

interface Row {
  readonly teaches: string;
  readonly answer: string;
  readonly shown: string;
}

/** The rows of the table under each heading. */
const sections = new Map(
  textOf(PAGE)
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), rowsOf(section)]),
);

function rowsOf(section: string): Row[] {
  const lines = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
  return lines.slice(1).map((line) => {
    const [teaches = '', answer = '', shown = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    return { teaches, answer, shown };
  });
}

/** What a cell links to, that isn't there: a page, or a heading in it. */
function brokenLinks(text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)#]*)#?([^)]*)\)/g)].map(([, path = '', part = '']) => ({ path, part }));
  return targets.filter((target) => !leadsSomewhere(target)).map(({ path, part }) => `${path}#${part}`);
}

function leadsSomewhere({ path, part }: { path: string; part: string }): boolean {
  const file = path === '' ? PAGE : join(dirname(PAGE), path);
  if (!existsSync(join(ROOT, file))) return false;
  return part === '' || headingsOf(file).includes(part);
}

/** The headings of a page as links name them. */
function headingsOf(file: string): string[] {
  const headings = [...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-'));
}

describe('docs/SOURCES.md', () => {
  test.each(Object.entries(ROWS))('has what %s teaches', (heading, count) => {
    expect(sections.get(heading)?.length).toBe(count);
  });

  test.each(Object.keys(ROWS).flatMap((heading) => sections.get(heading) ?? []))(
    '“$teaches” has an answer and tests',
    ({ answer, shown }) => {
      expect(answer.length).toBeGreaterThan(5);
      const proofs = proofsOf(shown);
      expect(proofs.length).toBeGreaterThan(0);
      expect(proofs.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
      expect(brokenLinks(answer + shown)).toEqual([]);
    },
  );

  test('says each thing once', () => {
    const all = [...sections].flatMap(([heading, rows]) => rows.map(({ teaches }) => `${heading}: ${teaches}`));
    expect(all.length).toBe(new Set(all).size);
  });
});
