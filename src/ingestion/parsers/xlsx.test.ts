import { describe, expect, test } from 'vitest';
import { buildXlsx } from '../../../test/document-builders.ts';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';
import { formatNumber, kindOfFormat } from './number-format.ts';

const sheetXml = (rows: string) =>
  `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${rows}</sheetData></worksheet>`;

describe('Excel', () => {
  test('each sheet is a table with its name, header, dates, truth values and results of formulas', async () => {
    const xlsx = await buildXlsx([
      {
        name: 'Sales',
        rows: [
          ['Item', 'Sold', 'Price', 'Paid', 'Sum'],
          ['Tea', new Date('2024-03-01T00:00:00Z'), 2.5, true, { formula: 'B2*2', value: 5 }],
          ['Rice', new Date('2024-03-01T13:30:00Z'), 0.1 + 0.2, false, { formula: 'UPPER("x")', value: 'X' }],
        ],
      },
      { name: 'Notes', rows: [['Only one cell']] },
    ]);
    expect((await parseBytes(xlsx)).blocks).toEqual([
      {
        kind: 'table',
        caption: 'Sales',
        header: ['Item', 'Sold', 'Price', 'Paid', 'Sum'],
        rows: [
          ['Tea', '2024-03-01', '2.5', 'TRUE', '5'],
          ['Rice', '2024-03-01 13:30:00', '0.3', 'FALSE', 'X'],
        ],
      },
      { kind: 'table', caption: 'Notes', header: [], rows: [['Only one cell']] },
    ]);
  });

  test('cells far apart are read without the emptiness between them', async () => {
    const rows =
      '<row r="3"><c r="B3" t="inlineStr"><is><t>left</t></is></c><c r="XFD3"><v>1</v></c></row><row r="900000"><c r="B900000"><v>2</v></c></row>';
    const xlsx = await buildXlsx([{ name: 'S', rows: [] }], { parts: { 'xl/worksheets/sheet1.xml': sheetXml(rows) } });
    expect((await parseBytes(xlsx)).blocks).toEqual([
      { kind: 'table', caption: 'S', header: [], rows: [['left', '1'], ['2']] },
    ]);
  });

  test('the pronunciation of a Japanese cell is not part of its text', async () => {
    const strings =
      '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si></sst>';
    const xlsx = await buildXlsx([{ name: 'S', rows: [['placeholder']] }], {
      parts: { 'xl/sharedStrings.xml': strings },
    });
    expect((await parseBytes(xlsx)).blocks).toEqual([{ kind: 'table', caption: 'S', header: [], rows: [['東京']] }]);
  });

  test('a formula without a stored value is a warning', async () => {
    const xlsx = await buildXlsx([{ name: 'S', rows: [['x', { formula: '1+1' }]] }]);
    expect((await parseBytes(xlsx)).warnings).toEqual(['formulas_without_values']);
  });

  test('a workbook without any value fails with no_text', async () => {
    expect(await codeOf(parseBytes(await buildXlsx([{ name: 'Empty', rows: [] }])))).toBe('no_text');
  });

  test('a sheet that would fill more cells than allowed fails with document_too_large', async () => {
    const rows = Array.from({ length: 300 }, (_, row) =>
      Array.from({ length: row + 1 }, (_, column) => (column === row ? 1 : null)),
    );
    const xlsx = await buildXlsx([{ name: 'Diagonal', rows }]);
    expect(await codeOf(parseBytes(xlsx, { limits: { maxTextChars: 10_000 } }))).toBe('document_too_large');
  });
});

describe('number formats', () => {
  test.each([
    ['General', 'number'],
    ['#,##0.00 "days"', 'number'],
    ['0.0%', 'percent'],
    ['[$-407]d. mmmm yyyy;@', 'date'],
    ['yyyy\\-mm\\-dd hh:mm', 'datetime'],
    ['h:mm AM/PM', 'time'],
    ['[h]:mm:ss', 'elapsed'],
    ['[Red]0', 'number'],
  ])('%s is a %s', (code, kind) => {
    expect(kindOfFormat(code)).toBe(kind);
  });

  test.each([
    ['1', 'date', false, '1900-01-01'],
    ['60', 'date', false, '1900-02-28'],
    ['61', 'date', false, '1900-03-01'],
    ['45352', 'date', false, '2024-03-01'],
    ['0', 'date', true, '1904-01-01'],
    ['0.75', 'time', false, '18:00:00'],
    ['1.5', 'elapsed', false, '36:00:00'],
    ['0.125', 'percent', false, '12.5%'],
    ['not a number', 'date', false, 'not a number'],
  ] as const)('%s as %s (1904: %s) is %s', (raw, kind, isEpoch1904, text) => {
    expect(formatNumber(raw, kind, isEpoch1904)).toBe(text);
  });
});
