import { describe, expect, test } from 'vitest';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';

const parse = (text: string) => parseBytes(text, { mediaType: 'text/csv' });

describe('CSV', () => {
  test.each([
    ['commas', 'name,age\nAnn,7\n'],
    ['semicolons', 'name;age\r\nAnn;7\r\n'],
    ['tabs', 'name\tage\nAnn\t7'],
    ['bars', 'name|age\nAnn|7'],
  ])('%s are found to part the fields', async (_, text) => {
    expect((await parse(text)).blocks).toEqual([{ kind: 'table', header: ['name', 'age'], rows: [['Ann', '7']] }]);
  });

  test('quoted fields hold delimiters, quotes and line breaks', async () => {
    const { blocks } = await parse('a,b\n"x, ""y""","1\n2"\n');
    expect(blocks).toEqual([{ kind: 'table', header: ['a', 'b'], rows: [['x, "y"', '1\n2']] }]);
  });

  test('a first row of numbers is data, rows may be ragged', async () => {
    const { blocks } = await parse('1,2\n3,4,5\n\n6\n');
    expect(blocks).toEqual([{ kind: 'table', header: [], rows: [['1', '2'], ['3', '4', '5'], ['6']] }]);
  });

  test('a quote that is never closed costs no rows', async () => {
    const document = await parse('a,b\n"open,1\nx,2\n');
    expect(document.warnings).toEqual(['unbalanced_quotes']);
    expect(document.blocks).toEqual([
      {
        kind: 'table',
        header: ['a', 'b'],
        rows: [
          ['"open', '1'],
          ['x', '2'],
        ],
      },
    ]);
  });

  test('one column is a table, too', async () => {
    expect((await parse('name\nAnn\nBob\n')).blocks).toEqual([
      { kind: 'table', header: ['name'], rows: [['Ann'], ['Bob']] },
    ]);
  });

  test('more cells than allowed fail with document_too_large', async () => {
    const text = 'a,b\n'.repeat(100);
    expect(await codeOf(parseBytes(text, { mediaType: 'text/csv', limits: { maxTextChars: 150 } }))).toBe(
      'document_too_large',
    );
  });
});
