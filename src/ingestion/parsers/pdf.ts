import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { getDocumentProxy } from 'unpdf';
import { AppError } from '../../errors/app-error.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import type { LongDocument, PageRange, ParsedDocument, ParseInput } from './parsed-document.ts';
import { joinPages, type Pdf, type PdfPages, readPages } from './pdf-pages.ts';
import { paragraphsOf } from './pdf-paragraphs.ts';

/** What pdf.js answers for a glyph whose font does not say which character it draws. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: such characters are what is looked for
const UNMAPPED = /[\u0001-\u0008\u000e-\u001f\ufffd]/;

/** Titles that programs put in and nobody chose. */
const MEANINGLESS_TITLE =
  /^(\(?(untitled|anonymous|unspecified)\)?|microsoft (word|powerpoint)\b.*|.*\.(docx?|pptx?|xlsx?|dvi|tex|qxd|indd|p65))$/i;

/**
 * PDF, page by page: paragraphs and headings from the positions of the text, then the filled fields of a form.
 *
 * Throws `pdf_encrypted` if a password is needed (an empty one is tried), `pdf_corrupt`, `pdf_no_pages`, `pdf_no_text` (only
 * pictures, or fonts that do not say which characters they draw), `document_too_large` above `limits.maxPages`.
 * Warnings: `pages_without_text`, `pages_unreadable`, `characters_without_unicode`, `character_maps_missing` (text in a CJK encoding by name).
 */
export function parsePdf(input: ParseInput): Promise<ParsedDocument> {
  return withPdf(input, async (pdf, missingMaps) => {
    const pages = await readPages(pdf, { first: 1, last: pdf.numPages }, input.limits);
    return documentOf(pdf, pages, missingMaps, input);
  });
}

/** As `parsePdf`, but of a PDF with more pages than `maxPages` only their number is told. */
export function parsePdfUpTo(input: ParseInput, maxPages: number): Promise<ParsedDocument | LongDocument> {
  return withPdf<ParsedDocument | LongDocument>(input, async (pdf, missingMaps) => {
    if (pdf.numPages > maxPages) return { pageCount: pdf.numPages };
    const pages = await readPages(pdf, { first: 1, last: pdf.numPages }, input.limits);
    return documentOf(pdf, pages, missingMaps, input);
  });
}

/** Some pages, read apart from the others; `assemblePdf` makes the document of all. */
export interface PdfPart extends PdfPages {
  /** Names of the character maps that were needed and are not there. */
  missingMaps: string[];
}

/** Reads the pages of a range; throws as `parsePdf` does where that concerns the file or these pages. */
export function readPdfPart(input: ParseInput, range: PageRange): Promise<PdfPart> {
  return withPdf(input, async (pdf, missingMaps) => {
    const pages = await readPages(pdf, range, input.limits);
    return { ...pages, missingMaps: [...missingMaps] };
  });
}

/** What `parsePdf` would have made of the file: `parts` are all of its pages, in order. Throws as `parsePdf` does. */
export function assemblePdf(input: ParseInput, parts: readonly PdfPart[]): Promise<ParsedDocument> {
  return withPdf(input, (pdf) => {
    const missingMaps = new Set(parts.flatMap((part) => part.missingMaps));
    return documentOf(pdf, joinPages(parts, input.limits), missingMaps, input);
  });
}

async function withPdf<T>(
  input: ParseInput,
  use: (pdf: Pdf, missingMaps: ReadonlySet<string>) => Promise<T>,
): Promise<T> {
  const missingMaps = new Set<string>();
  const pdf = await openPdf(await readFile(input.path), missingMaps);
  try {
    if (pdf.numPages === 0) throw new AppError('pdf_no_pages');
    if (pdf.numPages > input.limits.maxPages) {
      throw new AppError(
        'document_too_large',
        `The PDF has ${pdf.numPages} pages; ${input.limits.maxPages} are allowed.`,
      );
    }
    return await use(pdf, missingMaps);
  } finally {
    await pdf.loadingTask.destroy();
  }
}

async function documentOf(
  pdf: Pdf,
  pages: PdfPages,
  missingMaps: ReadonlySet<string>,
  input: ParseInput,
): Promise<ParsedDocument> {
  if (pages.pagesUnreadable === pdf.numPages) throw new AppError('pdf_corrupt', 'No page of the PDF can be read.');
  const blocks = collectBlocks(input.limits);
  addTexts(pages, blocks);
  if (missingMaps.size > 0) blocks.warn('character_maps_missing');
  if (blocks.isEmpty) throw noText(missingMaps);
  return blocks.finish({ title: await titleOf(pdf), pageCount: pdf.numPages });
}

async function openPdf(bytes: Buffer, missingMaps: Set<string>): Promise<Pdf> {
  try {
    return await getDocumentProxy(new Uint8Array(bytes), {
      verbosity: 0,
      useSystemFonts: false,
      disableFontFace: true,
      BinaryDataFactory: characterMaps(missingMaps),
    });
  } catch (error) {
    if (isNamed(error, 'PasswordException')) throw new AppError('pdf_encrypted', undefined, { cause: error });
    // pdf.js takes a page tree without pages for damage.
    const hasNoPages = /\/Type\s{0,9}\/Pages\b[^>]{0,999}\/Count\s+0\b|\/Count\s+0\b[^>]{0,999}\/Type\s*\/Pages\b/.test(
      bytes.toString('latin1'),
    );
    throw new AppError(hasNoPages ? 'pdf_no_pages' : 'pdf_corrupt', undefined, { cause: error });
  }
}

const require = createRequire(import.meta.url);
/** A name comes out of the document, so it may only be that of a file in the folder. */
const MAP_NAME = /^[\w-]{1,64}\.bcmap$/;

/**
 * pdf.js asks this for the character maps of named CJK encodings, as 90ms-RKSJ-H, without which such text is unreadable, and
 * for fonts, which text does not need.
 */
function characterMaps(missingMaps: Set<string>) {
  return class {
    async fetch({ kind, filename }: { kind: string; filename: string }): Promise<Uint8Array> {
      if (kind !== 'cMapUrl') throw new Error(`${filename} is not available`);
      try {
        if (!MAP_NAME.test(filename)) throw new Error(`${filename} is no character map`);
        return await readFile(join(dirname(require.resolve('pdfjs-dist/package.json')), 'cmaps', filename));
      } catch (error) {
        missingMaps.add(filename);
        throw error;
      }
    }
  };
}

function addTexts(texts: PdfPages, blocks: BlockCollector): void {
  const fieldsOf = Map.groupBy(texts.fields, ({ page }) => page);
  const pages = Map.groupBy(paragraphsOf(texts.lines), ({ page }) => page);
  const numbers = [...new Set([...pages.keys(), ...fieldsOf.keys()])].sort((a, b) => a - b);
  for (const page of numbers) {
    for (const { kind, text, level } of pages.get(page) ?? []) {
      blocks.add(kind, text, level === undefined ? { page } : { page, level });
    }
    for (const { text } of fieldsOf.get(page) ?? []) blocks.add('paragraph', text, { page });
  }
  if (texts.lines.some(({ text }) => UNMAPPED.test(text))) blocks.warn('characters_without_unicode');
  if (texts.pagesWithoutText > 0) blocks.warn('pages_without_text');
  if (texts.pagesUnreadable > 0) blocks.warn('pages_unreadable');
}

function noText(missingMaps: ReadonlySet<string>): AppError {
  if (missingMaps.size === 0) return new AppError('pdf_no_text');
  const names = [...missingMaps].map((name) => name.replace('.bcmap', '')).join(', ');
  return new AppError('pdf_no_text', `The text of the PDF is in encodings that cannot be read here: ${names}.`);
}

async function titleOf(pdf: Pdf): Promise<string | null> {
  const { info } = await pdf.getMetadata();
  const title = (info as { Title?: unknown }).Title;
  if (typeof title !== 'string' || MEANINGLESS_TITLE.test(title.trim())) return null;
  return title;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
