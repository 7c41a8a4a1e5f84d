import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutPoint, pieceRanges, shorten } from './text-cut.ts';

const anyText = fc.array(
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom(' ', '\n', 'ก', '漢', '👩‍👩‍👧‍👦', 'ab')),
);

describe('cutPoint', () => {
  test('a cut falls at white space when there is some in the second half of the window', () => {
    expect(cutPoint('one two three four', 0, 11)).toBe('one two '.length);
  });

  test('text without spaces is cut between words', () => {
    const thai = 'แมวเป็นสัตว์เลี้ยงที่ได้รับความนิยม';
    const words = [...new Intl.Segmenter('en', { granularity: 'word' }).segment(thai)].map(({ index }) => index);
    expect(words).toContain(cutPoint(thai, 0, 20));
  });

  test('a family emoji is never cut', () => {
    expect(cutPoint('👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 0, 15)).toBe('👩‍👩‍👧‍👦'.length);
  });

  test('a grapheme longer than the window is cut, but not inside a surrogate pair', () => {
    expect(cutPoint('👩‍👩‍👧‍👦', 0, 4)).toBe(3);
  });
});

describe('pieceRanges', () => {
  test('pieces hold every non-blank character, fit, are trimmed and do not cut graphemes', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 40, max: 120 }), (parts, maxChars) => {
        const text = parts.join('').repeat(3);
        const pieces = pieceRanges(text, maxChars).map(({ start, end }) => text.slice(start, end));
        expect(pieces.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
        for (const piece of pieces) {
          expect(piece).toBe(piece.trim());
          expect(piece.length).toBeLessThanOrEqual(maxChars);
          expect(piece.isWellFormed()).toBe(true);
        }
      }),
    );
  });
});

test('shortening keeps whole words and adds nothing', () => {
  expect(shorten('Annual report of the committee', 20)).toBe('Annual report of the');
  expect(shorten('short', 20)).toBe('short');
});
