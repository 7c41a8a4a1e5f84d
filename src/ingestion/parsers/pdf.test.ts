import { describe, expect, test } from 'vitest';
import { buildPdf, PICTURE_PAGE } from '../../../test/document-builders.ts';
import { codeOf, parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';

describe('PDF', () => {
  test('text comes out by page, with 1-based page numbers and the title of the metadata', async () => {
    const document = await parseBytes(buildPdf(['First page.', 'Second page.'], { title: 'Two pages' }));
    expect(document).toEqual({
      title: 'Two pages',
      pageCount: 2,
      warnings: [],
      blocks: [
        { kind: 'paragraph', text: 'First page.', page: 1 },
        { kind: 'paragraph', text: 'Second page.', page: 2 },
      ],
    });
  });

  test('lines of a paragraph are joined, a gap starts another', async () => {
    const document = await parseBytes(buildPdf(['The quick brown fox jumps over\nthe lazy dog.\n\nAnother day.']));
    expect(document.blocks.map((block) => block.kind !== 'table' && block.text)).toEqual([
      'The quick brown fox jumps over the lazy dog.',
      'Another day.',
    ]);
  });

  test('a word hyphenated at a line end is joined, a compound that occurs elsewhere keeps its hyphen', async () => {
    const document = await parseBytes(
      buildPdf([
        'This is a well-known and very commonly repeated exam-\nple of a thing that everybody calls well-\nknown.',
      ]),
    );
    expect(textOfDocument(document)).toContain('repeated example of');
    expect(textOfDocument(document)).toContain('calls well-known.');
  });

  test('larger type is a heading and gives the title where the metadata has none', async () => {
    const document = await parseBytes(
      buildPdf([
        '# Results\nA paragraph that is long enough to be the body of the page, with\nmore than one line of text.',
      ]),
    );
    expect(document.blocks[0]).toEqual({ kind: 'heading', text: 'Results', level: 1, page: 1 });
    expect(document.title).toBe('Results');
  });

  test('an encrypted PDF fails with pdf_encrypted', async () => {
    expect(await codeOf(parseBytes(buildPdf(['secret'], { isEncrypted: true })))).toBe('pdf_encrypted');
  });

  test('a PDF without pages fails with pdf_no_pages', async () => {
    expect(await codeOf(parseBytes(buildPdf([])))).toBe('pdf_no_pages');
  });

  test('a PDF of pictures fails with pdf_no_text', async () => {
    expect(await codeOf(parseBytes(buildPdf([PICTURE_PAGE, PICTURE_PAGE])))).toBe('pdf_no_text');
  });

  test('some pages without text are a warning', async () => {
    const document = await parseBytes(buildPdf([PICTURE_PAGE, 'Text.']));
    expect(document.warnings).toEqual(['pages_without_text']);
    expect(document.blocks).toEqual([{ kind: 'paragraph', text: 'Text.', page: 2 }]);
  });

  test('a PDF of which only the head is left fails with pdf_corrupt', async () => {
    expect(await codeOf(parseBytes(Buffer.from('%PDF-1.7\n\u0000\u0001\u0002\u0003 nothing else', 'latin1')))).toBe(
      'pdf_corrupt',
    );
  });

  test('more pages than allowed fail with document_too_large', async () => {
    const pdf = buildPdf(['1', '2', '3']);
    expect(await codeOf(parseBytes(pdf, { limits: { maxPages: 2 } }))).toBe('document_too_large');
  });

  test('more text than allowed fails with document_too_large', async () => {
    expect(await codeOf(parseBytes(buildPdf(['Some text.']), { limits: { maxTextChars: 5 } }))).toBe(
      'document_too_large',
    );
  });
});

test('a numbered section is not taken for the title of a PDF that names none', async () => {
  const bytes = buildPdf([
    '# 1 Introduction\n\nHerons nest in colonies near water.\nThey return to them every spring.',
  ]);
  expect((await parseBytes(bytes)).title).toBeNull();
});

test('text in a named CJK encoding is read by its character map', async () => {
  // "日本語" in Shift-JIS under a font that is not in the file; pdf.js finds the objects without a cross-reference table.
  const pdf = `%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >> endobj
4 0 obj << /Length 46 >> stream
BT /F1 20 Tf 20 100 Td <93FA967B8CEA> Tj ET
endstream endobj
5 0 obj << /Type /Font /Subtype /Type0 /BaseFont /Ryumin-Light /Encoding /90ms-RKSJ-H /DescendantFonts [6 0 R] >> endobj
6 0 obj << /Type /Font /Subtype /CIDFontType0 /BaseFont /Ryumin-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> >> endobj
trailer << /Root 1 0 R >>
`;
  expect(textOfDocument(await parseBytes(Buffer.from(pdf)))).toContain('日本語');
});
