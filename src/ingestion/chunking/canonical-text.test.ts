import { describe, expect, test } from 'vitest';
import type { Block, TableBlock } from '../parsers/parsed-document.ts';
import { toCanonicalText } from './canonical-text.ts';

const textOf = (...blocks: Block[]) => toCanonicalText({ title: null, blocks, pageCount: null, warnings: [] });

function spanTexts({ text, spans }: ReturnType<typeof textOf>): string[] {
  return spans.map(({ start, end }) => text.slice(start, end));
}

test('blocks are joined by blank lines and items of a list by line breaks', () => {
  const canonical = textOf(
    { kind: 'heading', level: 2, text: 'Title', page: 1 },
    { kind: 'list_item', text: 'one' },
    { kind: 'list_item', text: 'two' },
    { kind: 'paragraph', text: 'End.', page: 2 },
  );
  expect(canonical.text).toBe('Title\n\none\ntwo\n\nEnd.');
  expect(spanTexts(canonical)).toEqual(['Title', 'one', 'two', 'End.']);
  expect(canonical.spans[0]).toEqual({ kind: 'heading', level: 2, start: 0, end: 5, page: 1 });
  expect(canonical.spans[3]).toEqual({ kind: 'paragraph', start: 16, end: 20, page: 2 });
});

test('a document without text gives an empty text', () => {
  expect(textOf()).toEqual({ text: '', spans: [] });
  expect(textOf({ kind: 'paragraph', text: ' \n' }, { kind: 'table', header: [], rows: [[' ']] }).text).toBe('');
});

test('characters that the database would change are replaced first, so that offsets stay true', () => {
  expect(textOf({ kind: 'paragraph', text: 'a\0b\ud800c\r\nd' }).text).toBe('a\ufffdb\ufffdc\nd');
});

describe('a table', () => {
  const long: TableBlock = {
    kind: 'table',
    caption: 'Stock',
    header: ['Item', 'Count'],
    rows: Array.from({ length: 200 }, (_, i) => [`Part number ${i}`, `${i * 3}\npieces`]),
  };

  test('begins each of its segments with caption and column names', () => {
    const segments = spanTexts(textOf(long));
    expect(segments.length).toBeGreaterThan(3);
    for (const segment of segments) {
      expect(segment.startsWith('Stock\nItem | Count\nPart number ')).toBe(true);
      expect(segment.length).toBeLessThanOrEqual(900);
    }
    expect(segments.join('\n')).toContain('Part number 199 | 597 pieces');
  });

  test('with only a header is kept', () => {
    expect(textOf({ kind: 'table', header: ['a', 'b'], rows: [] }).text).toBe('a | b');
  });

  test('with more column names than can be repeated names each cell', () => {
    const header = Array.from({ length: 60 }, (_, i) => `Measurement ${i}`);
    const canonical = textOf({
      kind: 'table',
      header,
      rows: [header.map((_, i) => (i % 2 ? '' : `v${i}`))],
      caption: 'Wide',
    });
    expect(canonical.text).toContain('Measurement 58: v58');
    expect(canonical.text).not.toContain('Measurement 59:');
    for (const segment of spanTexts(canonical)) expect(segment.startsWith('Wide\n')).toBe(true);
  });

  test('loses nothing of a cell or caption longer than a segment', () => {
    const cell = 'word '.repeat(1_000).trim();
    const caption = 'caption '.repeat(100).trim();
    const { text } = textOf({ kind: 'table', header: ['Text'], rows: [[cell], ['next']], caption });
    expect(text.match(/word/g)).toHaveLength(1_000);
    expect(text.match(/caption/g)!.length).toBeGreaterThanOrEqual(100);
    expect(text).toContain('next');
  });
});
