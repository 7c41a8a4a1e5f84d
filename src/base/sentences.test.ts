import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sentenceRanges } from './sentences.ts';

const sentencesOf = (text: string) => sentenceRanges(text).map(({ start, end }) => text.slice(start, end));

describe('sentences', () => {
  test.each([
    [
      'abbreviations and initials do not end one',
      [
        'Dr. Smith met J. R. R. Tolkien, e.g. in the U.S. Army at 3.14 km.',
        'It was 900 m. away.',
        'It is 9 m.',
        'He left.',
      ],
    ],
    ['a dotted name ends one before a word that begins sentences', ['It happened in the U.S.', 'The law changed.']],
    ['numbering belongs to what it numbers', ['1. First things first.', '2. Then the rest.']],
    [
      'German ordinals and abbreviations do not end one',
      ['Am 3. Oktober 1990, z. B. in Nr. 7, war das 20. Jahrhundert.', 'Ende.'],
    ],
    ['a bracket after a full stop belongs to the next', ['It ended.', '[3] Another began (see Fig. 2).', 'Done.']],
    ['Chinese marks end one', ['北京是首都。', '你好！', '今天？', '好。']],
    ['Japanese marks end one', ['東京は首都です。', '人口は多い。']],
  ])('%s', (_, sentences) => {
    const separator = /\p{Script=Han}/u.test(sentences[0]!) ? '' : ' ';
    expect(sentencesOf(sentences.join(separator))).toEqual(sentences);
  });

  test('a wrapped line goes on in the next, a list does not', () => {
    const wrapped = 'This line is wrapped by the editor of whoever wrote it, in the United\nStates, and it\ngoes on.';
    expect(sentencesOf(`${wrapped}\n- one\n- two`)).toEqual([wrapped, '- one', '- two']);
  });

  test('a blank line ends one without any mark', () => {
    expect(sentencesOf('A title\n\nand then text')).toEqual(['A title', 'and then text']);
  });

  test('Thai is cut at spaces into pieces that can stand alone', () => {
    const clauses = [
      'กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทย',
      'เป็นศูนย์กลางการปกครอง การศึกษา การคมนาคมขนส่ง การเงินการธนาคาร',
      'การพาณิชย์ การสื่อสาร และความเจริญของประเทศ',
    ];
    expect(sentencesOf(clauses.join(' '))).toEqual(clauses);
  });

  test('a sentence longer than the segmenter window stays whole', () => {
    const long = `It goes on ${'and on '.repeat(1_000)}until here.`;
    expect(sentencesOf(`First. ${long} Last.`)).toEqual(['First.', long, 'Last.']);
  });

  test('they are trimmed, in order, apart, and hold every non-blank character', () => {
    const parts = fc.constantFrom(
      '. ',
      '。',
      ' ',
      '\n',
      '\n\n',
      'Dr.',
      'U.S.',
      'ก ข',
      '漢字',
      '👩‍👩‍👧',
      'word',
      'Word',
      '[3]',
      '3.',
      '"',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(parts, fc.string({ unit: 'grapheme' })), { maxLength: 200 }), (pieces) => {
        const text = pieces.join('');
        let position = 0;
        let kept = '';
        for (const { start, end } of sentenceRanges(text)) {
          expect(start).toBeGreaterThanOrEqual(position);
          const sentence = text.slice(start, end);
          expect(sentence).toBe(sentence.trim());
          expect(sentence).not.toBe('');
          kept += sentence;
          position = end;
        }
        expect(kept.replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
      }),
    );
  });
});
