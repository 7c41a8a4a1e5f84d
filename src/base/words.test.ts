import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queryWords, segmentWords, wordsOf } from './words.ts';

describe('words for the index', () => {
  test.each([
    ['English, without punctuation', 'Don’t stop: 3.14 (now)!', 'don’t stop 3.14 now'],
    ['German', 'Die Größe der Häuser', 'die größe der häuser'],
    ['Thai, which writes no spaces', 'ทำงานที่บ้าน', 'ทำงาน ที่ บ้าน'],
    ['Thai with the vowel AM in two pieces, as PDFs have it', 'ทํางานที่บ้าน', 'ทำงาน ที่ บ้าน'],
    ['Chinese', '北京是首都。', '北京 是 首都'],
    ['Japanese with half-width kana', '東京都にﾃﾚﾋﾞ', '東京 都 に テレビ'],
    ['identifiers in one piece', 'ERR_404 in foo.bar', 'err_404 in foo.bar'],
    ['full-width letters and ligatures', 'Ｆｕｌｌ ﬁne', 'full fine'],
    ['nothing of emoji and marks', '❤️ — !?', ''],
  ])('%s', (_, text, expected) => {
    expect(segmentWords(text)).toBe(expected);
  });

  test('a long text is cut at safe places: no letter is lost and none is added', () => {
    const letters = (text: string) => text.match(/[\p{L}\p{N}]/gu) ?? [];
    const part = fc.constantFrom('ทำงานที่บ้าน', '北京是首都。', '東京都に', 'word ', 'foo_bar', '👩‍👩‍👧‍👦', '1.5', '\n');
    fc.assert(
      fc.property(fc.array(part, { minLength: 300, maxLength: 600 }), (parts) => {
        expect(letters(wordsOf(parts.join('')).join(''))).toEqual(letters(parts.join('')));
      }),
      { numRuns: 30 },
    );
  });

  test('a megabyte without spaces is no problem', () => {
    expect(wordsOf('แมวเป็นสัตว์เลี้ยง'.repeat(55_000)).length).toBeGreaterThan(100_000);
  });
});

describe('words of a query', () => {
  test('are distinct and in order', () => {
    expect(queryWords('What is what, and IS it?')).toEqual(['what', 'is', 'and', 'it']);
  });

  test('are at most 64', () => {
    expect(queryWords(Array.from({ length: 200 }, (_, i) => `w${i}`).join(' '))).toHaveLength(64);
  });

  test('of a query without words are none', () => {
    expect(queryWords(' ?! ')).toEqual([]);
  });
});
