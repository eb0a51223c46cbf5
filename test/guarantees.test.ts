import { describe, expect, test } from 'vitest';
import { faultOf, proofsOf } from './support/proofs.ts';
import { textOf } from './support/tree.ts';

const page = textOf('docs/GUARANTEES.md');
const sentences = page.split('\n').filter((line) => line.startsWith('- '));

describe('docs/GUARANTEES.md', () => {
  test('has sentences', () => expect(sentences.length).toBeGreaterThan(20));

  test.each(sentences.map((sentence) => [sentence.slice(2, 62), sentence]))('%s… names its tests', (_, sentence) => {
    const proofs = proofsOf(sentence);
    expect(proofs.length).toBeGreaterThan(0);
    expect(proofs.map(faultOf).filter((fault) => fault !== undefined)).toEqual([]);
  });
});
