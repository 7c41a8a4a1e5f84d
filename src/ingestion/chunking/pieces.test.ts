import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { piecesOf } from './pieces.ts';

describe('pieces for embedding', () => {
  test('are whole sentences with the title in front', () => {
    const chunk = 'Bees make honey. Wasps do not. Ants farm fungi in the dark.';
    expect(piecesOf(chunk, 'Insects', 45)).toEqual([
      'Insects\nBees make honey. Wasps do not.',
      'Insects\nAnts farm fungi in the dark.',
    ]);
  });

  test('have no title line where there is no title', () => {
    expect(piecesOf('One. Two.', null, 40)).toEqual(['One. Two.']);
    expect(piecesOf('One. Two.', '  ', 40)).toEqual(['One. Two.']);
  });

  test('leave two thirds to the text when the title is long', () => {
    const [piece] = piecesOf('word '.repeat(200), 'A very long title '.repeat(30), 300);
    expect(piece!.indexOf('\n')).toBeLessThanOrEqual(100);
  });

  test('of blank text are none', () => {
    expect(piecesOf(' \n', 'Title', 100)).toEqual([]);
  });

  test('hold every non-blank character and never exceed the limit', () => {
    const text = fc
      .array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('漢字。', 'ก', '. ', 'x'.repeat(99))))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 40, max: 450 }), (chunk, maxChars) => {
        const pieces = piecesOf(chunk, null, maxChars);
        expect(pieces.join('').replace(/\s/g, '')).toBe(chunk.replace(/\s/g, ''));
        for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(maxChars);
      }),
    );
  });
});
