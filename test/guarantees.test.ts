import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, textOf } from './support/tree.ts';

const page = textOf('docs/GUARANTEES.md');
const sentences = page.split('\n').filter((line) => line.startsWith('- '));

/** What a sentence names: a file and the title of a test in it. */
function proofsOf(sentence: string): [path: string, title: string][] {
  return [...sentence.matchAll(/`([^`]+\.ts)`: “([^”]+)”/g)].map(([, path = '', title = '']) => [path, title]);
}

describe('docs/GUARANTEES.md', () => {
  test('has sentences', () => expect(sentences.length).toBeGreaterThan(20));

  test.each(sentences.map((sentence) => [sentence.slice(2, 62), sentence]))('%s… names its tests', (_, sentence) => {
    const proofs = proofsOf(sentence);
    expect(proofs.length).toBeGreaterThan(0);
    for (const [path, title] of proofs) {
      expect([path, existsSync(join(ROOT, path))]).toEqual([path, true]);
      const titles = [title, title.replaceAll("'", "\\'")].flatMap((text) => [`'${text}'`, `\`${text}\``, `"${text}"`]);
      expect([title, titles.some((text) => textOf(path).includes(text))]).toEqual([title, true]);
    }
  });
});
