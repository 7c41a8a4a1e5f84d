import { describe, expect, test } from 'vitest';
import { buildDocx } from '../../../test/document-builders.ts';
import { codeOf, parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';

const TEXT_BOX = (text: string) => `<w:txbxContent><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:txbxContent>`;

describe('Word', () => {
  test('headings, paragraphs and tables come out in order, with the title of the properties', async () => {
    const docx = await buildDocx(
      [
        { heading: 'One' },
        'Text & more.',
        { heading: 'Below', level: 2 },
        {
          table: [
            ['a', 'b'],
            ['c', 'd'],
          ],
        },
        'End.',
      ],
      { title: 'A report' },
    );
    expect(await parseBytes(docx)).toEqual({
      title: 'A report',
      pageCount: null,
      warnings: [],
      blocks: [
        { kind: 'heading', level: 1, text: 'One' },
        { kind: 'paragraph', text: 'Text & more.' },
        { kind: 'heading', level: 2, text: 'Below' },
        {
          kind: 'table',
          header: [],
          rows: [
            ['a', 'b'],
            ['c', 'd'],
          ],
        },
        { kind: 'paragraph', text: 'End.' },
      ],
    });
  });

  test('a shape that only a current program understands is not lost', async () => {
    const choice = `<w:drawing><wps:txbx>${TEXT_BOX('inside a shape')}</wps:txbx></w:drawing>`;
    const docx = await buildDocx([
      {
        xml: `<w:p><w:r><mc:AlternateContent><mc:Choice Requires="wps">${choice}</mc:Choice></mc:AlternateContent></w:r></w:p>`,
      },
    ]);
    expect(textOfDocument(await parseBytes(docx))).toBe('inside a shape');
  });

  test('a shape with a fallback is said once', async () => {
    const choice = `<w:drawing><wps:txbx>${TEXT_BOX('said once')}</wps:txbx></w:drawing>`;
    const docx = await buildDocx([
      {
        xml: `<w:p><w:r><mc:AlternateContent><mc:Choice Requires="wps">${choice}</mc:Choice><mc:Fallback><w:pict>${TEXT_BOX('said once')}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>`,
      },
    ]);
    expect(textOfDocument(await parseBytes(docx))).toBe('said once');
  });

  test('shapes inside shapes are said once', async () => {
    let paragraph = '<w:p><w:r><w:t>innermost</w:t></w:r></w:p>';
    for (let level = 0; level < 20; level++) {
      paragraph = `<w:p><w:r><w:drawing><wps:txbx><w:txbxContent>${paragraph}</w:txbxContent></wps:txbx></w:drawing></w:r></w:p>`;
    }
    expect(textOfDocument(await parseBytes(await buildDocx([{ xml: paragraph }])))).toBe('innermost');
  });

  test('an equation keeps its characters', async () => {
    const run = (text: string) => `<m:r><m:t>${text}</m:t></m:r>`;
    const docx = await buildDocx([
      {
        xml: `<w:p><m:oMath>${run('E=m')}<m:sSup><m:e>${run('c')}</m:e><m:sup>${run('2')}</m:sup></m:sSup></m:oMath></w:p>`,
      },
    ]);
    expect(textOfDocument(await parseBytes(docx))).toBe('E=mc^2');
  });

  test('a document without text fails with no_text', async () => {
    expect(await codeOf(parseBytes(await buildDocx([])))).toBe('no_text');
  });

  test('entities in the XML are refused, not expanded', async () => {
    const laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><w:document>&b;</w:document>';
    const docx = await buildDocx([], { parts: { 'word/document.xml': laughs } });
    expect(await codeOf(parseBytes(docx))).toBe('document_corrupt');
  });

  test('a document type declaration is refused even without entities', async () => {
    const plain = await buildDocx(['text']);
    const word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
    const document = `<!DOCTYPE w:document><w:document ${word}><w:body><w:p/></w:body></w:document>`;
    expect(await codeOf(parseBytes(plain))).toBe('no error');
    expect(await codeOf(parseBytes(await buildDocx([], { parts: { 'word/document.xml': document } })))).toBe(
      'document_corrupt',
    );
  });

  test('XML nested without end fails with document_corrupt', async () => {
    const docx = await buildDocx([{ xml: '<w:p>'.repeat(5_000) + '</w:p>'.repeat(5_000) }]);
    expect(await codeOf(parseBytes(docx))).toBe('document_corrupt');
  });

  test('a truncated document fails with document_corrupt', async () => {
    const docx = await buildDocx(['text']);
    expect(await codeOf(parseBytes(docx.subarray(0, docx.length / 2)))).toBe('document_corrupt');
  });

  test('a part that expands beyond all measure fails with archive_bomb', async () => {
    const docx = await buildDocx([`${'0'.repeat(8 * 1024 * 1024)}`]);
    expect(docx.length).toBeLessThan(100_000);
    expect(await codeOf(parseBytes(docx))).toBe('archive_bomb');
  });
});
