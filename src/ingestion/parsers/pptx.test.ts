import { describe, expect, test } from 'vitest';
import { buildPptx, slideShape } from '../../../test/document-builders.ts';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';

describe('PowerPoint', () => {
  test('slides are pages: the title first, then the body, then the notes', async () => {
    const pptx = await buildPptx([
      { title: 'Plan', body: ['Buy', 'Sell'], notes: 'Speak slowly.' },
      { title: 'Thanks' },
    ]);
    expect(await parseBytes(pptx)).toEqual({
      title: 'Plan',
      pageCount: 2,
      warnings: [],
      blocks: [
        { kind: 'heading', level: 1, text: 'Plan', page: 1 },
        { kind: 'list_item', text: 'Buy', page: 1 },
        { kind: 'list_item', text: 'Sell', page: 1 },
        { kind: 'paragraph', text: 'Speak slowly.', page: 1 },
        { kind: 'heading', level: 1, text: 'Thanks', page: 2 },
      ],
    });
  });

  test('shapes inside mc:AlternateContent are not lost, and said once', async () => {
    const shape = slideShape('', ['Energy is conserved']);
    const xml = `<mc:AlternateContent><mc:Choice Requires="a14">${shape}</mc:Choice><mc:Fallback><p:sp/></mc:Fallback></mc:AlternateContent>`;
    const document = await parseBytes(await buildPptx([{ title: 'Physics', xml }]));
    expect(document.blocks.at(-1)).toEqual({ kind: 'paragraph', text: 'Energy is conserved', page: 1 });
    expect(document.blocks).toHaveLength(2);
  });

  test('grouped shapes and tables are read', async () => {
    const cell = (text: string) => `<a:tc><a:txBody><a:p><a:r><a:t>${text}</a:t></a:r></a:p></a:txBody></a:tc>`;
    const table = `<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow="1"/><a:tr>${cell('Name')}${cell('Age')}</a:tr><a:tr>${cell('Ann')}${cell('7')}</a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>`;
    const document = await parseBytes(
      await buildPptx([{ xml: `<p:grpSp>${slideShape('', ['in a group'])}</p:grpSp>${table}` }]),
    );
    expect(document.blocks).toEqual([
      { kind: 'paragraph', text: 'in a group', page: 1 },
      { kind: 'table', header: ['Name', 'Age'], rows: [['Ann', '7']], page: 1 },
    ]);
  });

  test('more slides than allowed fail with document_too_large', async () => {
    const pptx = await buildPptx([{ title: '1' }, { title: '2' }]);
    expect(await codeOf(parseBytes(pptx, { limits: { maxPages: 1 } }))).toBe('document_too_large');
  });
});
