import { describe, expect, test } from 'vitest';
import { buildOds, buildOdt } from '../../../test/document-builders.ts';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';

describe('OpenDocument', () => {
  test('headings, paragraphs, lists and tables come out in order, with the title', async () => {
    const list = '<text:list><text:list-item><text:p>one<text:line-break/>two</text:p></text:list-item></text:list>';
    const odt = await buildOdt([{ heading: 'Top', level: 2 }, 'Words.', { xml: list }, { table: [['a', 'b']] }], {
      title: 'T',
    });
    expect(await parseBytes(odt)).toEqual({
      title: 'T',
      pageCount: null,
      warnings: [],
      blocks: [
        { kind: 'heading', level: 2, text: 'Top' },
        { kind: 'paragraph', text: 'Words.' },
        { kind: 'list_item', text: 'one\ntwo' },
        { kind: 'table', header: [], rows: [['a', 'b']] },
      ],
    });
  });

  test('a foot note follows its paragraph, deleted text is left out', async () => {
    const note =
      '<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note.</text:p></text:note-body></text:note>';
    const deleted = '<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>';
    const odt = await buildOdt([{ xml: deleted }, { xml: `<text:p>Body${note} goes on.</text:p>` }]);
    expect((await parseBytes(odt)).blocks).toEqual([
      { kind: 'paragraph', text: 'Body goes on.' },
      { kind: 'paragraph', text: 'The note.' },
    ]);
  });

  test('a sheet is a table with its name and header', async () => {
    const ods = await buildOds([
      {
        name: 'People',
        rows: [
          ['Name', 'Age'],
          ['Ann', '7'],
        ],
      },
    ]);
    expect((await parseBytes(ods)).blocks).toEqual([
      { kind: 'table', caption: 'People', header: ['Name', 'Age'], rows: [['Ann', '7']] },
    ]);
  });

  test('a cell that claims to repeat a billion times does not', async () => {
    const cell = '<table:table-cell table:number-columns-repeated="1000000000"><text:p>x</text:p></table:table-cell>';
    const odt = await buildOdt([{ xml: `<table:table><table:table-row>${cell}</table:table-row></table:table>` }]);
    const [table] = (await parseBytes(odt)).blocks;
    expect(table?.kind === 'table' && table.rows[0]?.length).toBe(1000);
  });

  test('a file with a password fails with document_encrypted', async () => {
    const manifest = '<manifest><file-entry full-path="content.xml"><encryption-data/></file-entry></manifest>';
    const odt = await buildOdt(['x'], { parts: { 'META-INF/manifest.xml': manifest } });
    expect(await codeOf(parseBytes(odt))).toBe('document_encrypted');
  });
});
