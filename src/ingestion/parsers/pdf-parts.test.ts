import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildPdf, PICTURE_PAGE } from '../../../test/document-builders.ts';
import { codeOf, LIMITS, withFile } from '../../../test/parse-bytes.ts';
import { AppError } from '../../errors/app-error.ts';
import type { LongDocument, PageRange, ParsedDocument, ParseInput } from './parsed-document.ts';
import { assemblePdf, type PdfPart, parsePdf, parsePdfUpTo, readPdfPart } from './pdf.ts';

const DATA = process.env.EVAL_DATA_DIR ?? '';

function inputFor(path: string, limits: Partial<ParseInput['limits']> = {}): ParseInput {
  return { path, mediaType: 'application/pdf', fileName: null, limits: { ...LIMITS, ...limits } };
}

/** As the jobs do it: the number of pages, each range apart and through JSON, then the whole. */
async function parseInRanges(input: ParseInput, cut: (pageCount: number) => PageRange[]): Promise<ParsedDocument> {
  const { pageCount } = (await parsePdfUpTo(input, 0)) as LongDocument;
  const parts: PdfPart[] = [];
  for (const range of cut(pageCount)) parts.push(JSON.parse(JSON.stringify(await readPdfPart(input, range))));
  return assemblePdf(input, parts);
}

function every(pages: number) {
  return (pageCount: number): PageRange[] =>
    Array.from({ length: Math.ceil(pageCount / pages) }, (_, index) => ({
      first: index * pages + 1,
      last: Math.min(pageCount, (index + 1) * pages),
    }));
}

async function outcomeOf(parsing: Promise<ParsedDocument>): Promise<unknown> {
  try {
    return await parsing;
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, detail: error.detail };
    throw error;
  }
}

/** Lines of which some are headings, list items, hyphenated, or only parts of a sentence. */
const line = fc.oneof(
  fc.constantFrom(
    '# Results',
    '# A larger heading',
    '',
    'it goes on in the next line without an end and is as long as a line can be',
    'The first half of a word is at the end of this line, which is an exam-',
    'ple of a hyphenated word. A well-known compound stands here.',
    'everybody calls it well-',
    'known.',
    '- an item of a list',
    '2) a numbered item',
    'x',
  ),
  fc.string({ unit: fc.constantFrom(...'abc. ,-()'), maxLength: 40 }),
);
const page = fc.oneof({ weight: 9, arbitrary: fc.array(line, { maxLength: 8 }) }, fc.constant(PICTURE_PAGE));

describe('a PDF that is read in parts', () => {
  test('is the document that a single parse makes of it, or fails in the same way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(page, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(5, 200, 1_000_000),
        async (pages, pagesPerPart, maxTextChars) => {
          await withFile(buildPdf(pages), async (path) => {
            const input = inputFor(path, { maxTextChars });
            const whole = await outcomeOf(parsePdf(input));
            expect(await outcomeOf(parseInRanges(input, every(pagesPerPart)))).toEqual(whole);
          });
        },
      ),
      { numRuns: Number(process.env.PDF_PARTS_RUNS ?? 60) },
    );
  });

  test('keeps what only the whole tells: headings, the usual distance of lines, compounds of other pages', async () => {
    const body = 'This is a line of the text that is long enough to tell what the body of the document is.';
    const pages = [
      'We saw a thing that is called well-\nknown by all.',
      'A well-known thing.',
      ['# Title', body, body],
    ];
    await withFile(buildPdf(pages), async (path) => {
      const input = inputFor(path);
      const document = await parseInRanges(input, every(1));
      expect(document.blocks.map((block) => block.kind)).toEqual(['paragraph', 'paragraph', 'heading', 'paragraph']);
      expect(document.blocks[0]).toMatchObject({ text: 'We saw a thing that is called well-known by all.', page: 1 });
      expect(document).toEqual(await parsePdf(input));
    });
  });

  test.each([
    ['is encrypted', buildPdf(['secret'], { isEncrypted: true }), 'pdf_encrypted'],
    ['has no pages', buildPdf([]), 'pdf_no_pages'],
    ['is damaged', Buffer.from('%PDF-1.7\n\u0000\u0001\u0002 nothing else', 'latin1'), 'pdf_corrupt'],
    ['has too many pages', buildPdf(['1', '2', '3', '4']), 'document_too_large'],
  ])('fails before any part is read where it %s', async (_, bytes, code) => {
    await withFile(bytes, async (path) => {
      expect(await codeOf(parsePdfUpTo(inputFor(path, { maxPages: 3 }), 1))).toBe(code);
    });
  });

  test('fails where no part holds too much text and all of them do', async () => {
    await withFile(buildPdf(['Some text.', 'More text.']), async (path) => {
      const input = inputFor(path, { maxTextChars: 15 });
      expect(await outcomeOf(parseInRanges(input, every(1)))).toMatchObject({ code: 'document_too_large' });
      expect(await codeOf(readPdfPart(inputFor(path, { maxTextChars: 9 }), { first: 1, last: 1 }))).toBe(
        'document_too_large',
      );
    });
  });

  test('with few pages is read at once', async () => {
    await withFile(buildPdf(['One.', 'Two.']), async (path) => {
      const input = inputFor(path);
      expect(await parsePdfUpTo(input, 2)).toEqual(await parsePdf(input));
      expect(await parsePdfUpTo(input, 1)).toEqual({ pageCount: 2 });
    });
  });
});

const files = DATA === '' ? [] : (await readdir(join(DATA, 'pdf'))).filter((name) => name.endsWith('.pdf'));

describe.skipIf(DATA === '')('each PDF of the evaluation data', () => {
  test.each(files)(
    '%s is the same in parts',
    async (name) => {
      const input = inputFor(join(DATA, 'pdf', name), { maxTextChars: 10_000_000 });
      const whole = await outcomeOf(parsePdf(input));
      expect(await outcomeOf(parseInRanges(input, (pages) => every(Math.ceil(pages / 3))(pages)))).toEqual(whole);
    },
    60_000,
  );
});
