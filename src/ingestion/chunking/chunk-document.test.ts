import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Block } from '../parsers/parsed-document.ts';
import { toCanonicalText } from './canonical-text.ts';
import type { CanonicalText } from './chunk.ts';
import { chunkDocument } from './chunk-document.ts';

const canonicalOf = (...blocks: Block[]) => toCanonicalText({ title: null, blocks, pageCount: null, warnings: [] });
const heading = (level: number, text: string, page?: number): Block => ({
  kind: 'heading',
  level,
  text,
  ...(page && { page }),
});
const paragraph = (text: string, page?: number): Block => ({ kind: 'paragraph', text, ...(page && { page }) });
const prose = (topic: string, sentences: number) =>
  Array.from({ length: sentences }, (_, i) => `Sentence ${i} says something worth reading about ${topic}.`).join(' ');

function chunkTexts(canonical: CanonicalText): string[] {
  return chunkDocument(canonical).map(({ charStart, charEnd }) => canonical.text.slice(charStart, charEnd));
}

describe('sizes', () => {
  test('long prose gives chunks of 800 to 1,200 characters that begin and end with whole sentences', () => {
    for (const text of chunkTexts(canonicalOf(paragraph(prose('bees', 200))))) {
      expect(text).toMatch(/^Sentence .*\.$/);
      expect(text.length).toBeGreaterThanOrEqual(800);
      expect(text.length).toBeLessThanOrEqual(1_200);
    }
  });

  test('neighbouring chunks of a section share one sentence', () => {
    const texts = chunkTexts(canonicalOf(paragraph(prose('bees', 60))));
    const sentences = texts.map((text) => text.match(/Sentence \d+/g)!);
    for (let i = 1; i < sentences.length; i++) expect(sentences[i]![0]).toBe(sentences[i - 1]!.at(-1));
  });

  test('a section that is a little too long is cut in halves, not into a chunk and a crumb', () => {
    const lengths = chunkTexts(canonicalOf(paragraph(prose('bees', 23)))).map((text) => text.length);
    expect(lengths).toHaveLength(2);
    expect(Math.min(...lengths)).toBeGreaterThan(500);
  });

  test('chunks prefer to end where a paragraph ends', () => {
    const texts = chunkTexts(
      canonicalOf(paragraph(prose('bees', 16)), paragraph(prose('wasps', 16)), paragraph(prose('ants', 16))),
    );
    expect(texts).toHaveLength(3);
    expect(texts[0]).not.toContain('wasps');
  });
});

describe('headings', () => {
  test('begin a chunk, are part of it, and nothing overlaps across them', () => {
    const canonical = canonicalOf(
      heading(1, 'Insects'),
      heading(2, 'Bees'),
      paragraph(prose('bees', 12)),
      heading(2, 'Wasps'),
      paragraph(prose('wasps', 12)),
    );
    const texts = chunkTexts(canonical);
    expect(texts).toHaveLength(2);
    expect(texts[0]!.startsWith('Insects\n\nBees\n\nSentence 0')).toBe(true);
    expect(texts[1]!.startsWith('Wasps\n\nSentence 0')).toBe(true);
    expect(chunkDocument(canonical).map((chunk) => chunk.headingPath)).toEqual([
      ['Insects', 'Bees'],
      ['Insects', 'Wasps'],
    ]);
  });

  test('small sections under one parent are merged, and the path is what they share', () => {
    const canonical = canonicalOf(
      heading(1, 'Insects'),
      ...['Bees', 'Wasps', 'Ants'].flatMap((name) => [heading(2, name), paragraph(prose(name, 3))]),
      heading(1, 'Birds'),
      paragraph(prose('birds', 18)),
    );
    expect(chunkTexts(canonical)).toHaveLength(2);
    expect(chunkDocument(canonical).map((chunk) => chunk.headingPath)).toEqual([['Insects'], ['Birds']]);
  });

  test('small sections under different parents stay apart', () => {
    const canonical = canonicalOf(
      heading(1, 'Insects'),
      paragraph(prose('insects', 20)),
      heading(2, 'Bees'),
      paragraph(prose('bees', 2)),
      heading(1, 'Birds'),
      paragraph(prose('birds', 2)),
    );
    expect(chunkDocument(canonical).map((chunk) => chunk.headingPath)).toEqual([
      ['Insects'],
      ['Insects', 'Bees'],
      ['Birds'],
    ]);
  });

  test('a heading above subheadings goes with the text under them, however short what precedes is', () => {
    const canonical = canonicalOf(
      paragraph(prose('insects', 5)),
      ...['Bees', 'Wasps', 'Ants'].flatMap((name) => [
        heading(1, name),
        heading(2, `Life of ${name}`),
        paragraph(prose(name, 20)),
      ]),
    );
    const texts = chunkTexts(canonical);
    expect(texts).toHaveLength(4);
    for (const text of texts.slice(1)) expect(text).toMatch(/^(\w+)\n\nLife of \1\n\nSentence 0/);
  });

  test('a heading without text at the end of a document is kept', () => {
    expect(chunkTexts(canonicalOf(paragraph(prose('bees', 18)), heading(1, 'The end'))).at(-1)).toContain('The end');
  });

  test('skipped and repeated levels give the right path', () => {
    const canonical = canonicalOf(
      heading(2, 'A'),
      paragraph(prose('a', 18)),
      heading(4, 'B'),
      paragraph(prose('b', 18)),
      heading(3, 'C'),
      paragraph(prose('c', 18)),
      heading(1, 'D'),
      paragraph(prose('d', 18)),
    );
    expect(chunkDocument(canonical).map((chunk) => chunk.headingPath)).toEqual([['A'], ['A', 'B'], ['A', 'C'], ['D']]);
  });
});

describe('tables and code', () => {
  test('each chunk of a long table has its header', () => {
    const rows = Array.from({ length: 300 }, (_, i) => [`Part ${i}`, `${i}`]);
    const texts = chunkTexts(canonicalOf({ kind: 'table', header: ['Item', 'Count'], rows }));
    expect(texts.length).toBeGreaterThan(3);
    for (const text of texts) expect(text.startsWith('Item | Count\n')).toBe(true);
  });

  test('code is kept whole up to the size of a chunk and cut at line ends beyond', () => {
    const line = '  return computeSomething(withAnArgument, andAnother);';
    const short = Array(20).fill(line).join('\n');
    expect(chunkTexts(canonicalOf(paragraph(prose('code', 12)), { kind: 'code', text: short }))[1]).toBe(short.trim());
    for (const text of chunkTexts(canonicalOf({ kind: 'code', text: Array(100).fill(line).join('\n') }))) {
      for (const codeLine of text.split('\n')) expect(codeLine.trim()).toBe(line.trim());
    }
  });
});

test('a chunk has the pages that it touches', () => {
  const canonical = canonicalOf(paragraph(prose('a', 8), 3), paragraph(prose('b', 8), 4), paragraph(prose('c', 40), 5));
  const pages = chunkDocument(canonical).map(({ pageStart, pageEnd }) => [pageStart, pageEnd]);
  expect(pages[0]).toEqual([3, 4]);
  expect(pages.at(-1)).toEqual([5, 5]);
  expect(chunkDocument(canonicalOf(paragraph('No pages.')))[0]).toMatchObject({ pageStart: null, pageEnd: null });
});

test('ten megabytes without a single space, line or mark are cut at word boundaries', () => {
  const text = 'แมวเป็นสัตว์เลี้ยงที่ได้รับความนิยมมากที่สุดในโลก'.repeat(210_000).slice(0, 10_000_000);
  const chunks = chunkDocument({ text, spans: [{ kind: 'code', start: 0, end: text.length }] });
  expect(chunks.at(-1)!.charEnd).toBe(text.length);
});

describe('for any document', () => {
  const text = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.lorem({ mode: 'sentences', maxCount: 6 }),
        fc.constantFrom(
          'กรุงเทพมหานครเป็นเมืองหลวง',
          '北京是中华人民共和国的首都。',
          '東京は日本の首都です',
          '👩‍👩‍👧‍👦🇩🇪👍🏽',
          'a'.repeat(500),
          'Dr. X ',
          '\n',
          ' ',
        ),
      ),
      { minLength: 1, maxLength: 30 },
    )
    .map((parts) => parts.join(''));
  const block: fc.Arbitrary<Block> = fc.oneof(
    fc.record({
      kind: fc.constantFrom('paragraph' as const, 'list_item' as const, 'code' as const, 'quote' as const),
      text: fc.tuple(text, fc.integer({ min: 1, max: 8 })).map(([part, times]) => part.repeat(times)),
    }),
    fc.record({ kind: fc.constant('heading' as const), level: fc.integer({ min: 1, max: 6 }), text }),
    fc.record({
      kind: fc.constant('table' as const),
      header: fc.array(text, { maxLength: 4 }),
      rows: fc.array(fc.array(text, { maxLength: 4 }), { maxLength: 8 }),
    }),
  );

  test('every non-blank character is in a chunk; chunks are trimmed, bounded, in order and never cut a character', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
        const canonical = canonicalOf(...blocks);
        const chunks = chunkDocument(canonical);
        let covered = 0;
        chunks.forEach((chunk, index) => {
          const chunkText = canonical.text.slice(chunk.charStart, chunk.charEnd);
          expect(chunk.ordinal).toBe(index);
          expect(chunkText).toBe(chunkText.trim());
          expect(chunkText.length).toBeGreaterThan(0);
          expect(chunkText.length).toBeLessThanOrEqual(1_600);
          expect(chunkText.isWellFormed()).toBe(true);
          expect(canonical.text.slice(covered, chunk.charStart).trim()).toBe('');
          expect(chunk.charEnd).toBeGreaterThan(covered);
          covered = chunk.charEnd;
        });
        expect(canonical.text.slice(covered).trim()).toBe('');
      }),
      { numRuns: 150 },
    );
  });

  test('no chunk begins or ends inside a grapheme', () => {
    const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('👩‍👩‍👧‍👦', '🇩🇪', '👍🏽', 'é', 'กำ', 'नि', ' '), { minLength: 500, maxLength: 900 }),
        (parts) => {
          const canonical = canonicalOf(paragraph(parts.join('')));
          const boundaries = new Set([...graphemes.segment(canonical.text)].map(({ index }) => index)).add(
            canonical.text.length,
          );
          for (const chunk of chunkDocument(canonical)) {
            expect(boundaries).toContain(chunk.charStart);
            expect(boundaries).toContain(chunk.charEnd);
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});
