import type { getDocumentProxy } from 'unpdf';
import { AppError } from '../../errors/app-error.ts';
import type { PageRange, ParseLimits } from './parsed-document.ts';
import { linesOfPage, type PdfLine, type PdfTextItem } from './pdf-lines.ts';

export type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;
type PdfPage = Awaited<ReturnType<Pdf['getPage']>>;

/** A filled form field. */
interface FieldText {
  page: number;
  text: string;
}

/**
 * What some pages hold, before anything is made of it: paragraphs, headings and hyphens are judged by the lines of the whole
 * document. Goes through JSON unchanged.
 */
export interface PdfPages {
  lines: PdfLine[];
  fields: FieldText[];
  pagesWithoutText: number;
  pagesUnreadable: number;
}

/** Reads the pages of a range. Throws `document_too_large` once they alone exceed `limits.maxTextChars`. */
export async function readPages(pdf: Pdf, { first, last }: PageRange, limits: ParseLimits): Promise<PdfPages> {
  const pages: PdfPages = { lines: [], fields: [], pagesWithoutText: 0, pagesUnreadable: 0 };
  const hasForm = (await pdf.getFieldObjects().catch(() => null)) !== null;
  let chars = 0;
  for (let number = first; number <= last; number++) {
    const found = await readPage(pdf, number, hasForm);
    if (found === null) pages.pagesUnreadable++;
    else if (found.lines.length + found.fields.length === 0) pages.pagesWithoutText++;
    for (const line of found?.lines ?? []) pages.lines.push(line);
    for (const field of found?.fields ?? []) pages.fields.push(field);
    chars = requireFits(chars + charsOf(found?.lines ?? []) + charsOf(found?.fields ?? []), limits);
  }
  return pages;
}

/** Pages of one document in order. Throws `document_too_large` where together they exceed `limits.maxTextChars`. */
export function joinPages(parts: readonly PdfPages[], limits: ParseLimits): PdfPages {
  requireFits(
    parts.reduce((chars, { lines, fields }) => chars + charsOf(lines) + charsOf(fields), 0),
    limits,
  );
  return {
    lines: parts.flatMap(({ lines }) => lines),
    fields: parts.flatMap(({ fields }) => fields),
    pagesWithoutText: parts.reduce((count, part) => count + part.pagesWithoutText, 0),
    pagesUnreadable: parts.reduce((count, part) => count + part.pagesUnreadable, 0),
  };
}

function charsOf(texts: readonly { text: string }[]): number {
  return texts.reduce((chars, { text }) => chars + text.trim().length, 0);
}

function requireFits(chars: number, { maxTextChars }: ParseLimits): number {
  if (chars <= maxTextChars) return chars;
  throw new AppError('document_too_large', `The document has more than ${maxTextChars} characters of text.`);
}

/** One damaged page does not cost the others: null, and the caller counts it. */
async function readPage(
  pdf: Pdf,
  number: number,
  hasForm: boolean,
): Promise<{ lines: PdfLine[]; fields: FieldText[] } | null> {
  let page: PdfPage | undefined;
  try {
    page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    const lines = linesOfPage(
      items.filter((item): item is PdfTextItem & (typeof items)[number] => 'str' in item),
      number,
    );
    return { lines, fields: hasForm ? await readFields(page, number) : [] };
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return null;
  } finally {
    page?.cleanup();
  }
}

async function readFields(page: PdfPage, number: number): Promise<FieldText[]> {
  const annotations = (await page.getAnnotations()) as Record<string, unknown>[];
  return annotations
    .filter(({ fieldType }) => fieldType === 'Tx' || fieldType === 'Ch')
    .map((field) => ({
      label: String(field.alternativeText || field.fieldName || ''),
      value: fieldValue(field.fieldValue),
    }))
    .filter(({ value }) => value.trim() !== '')
    .map(({ label, value }) => ({ page: number, text: label === '' ? value : `${label}: ${value}` }));
}

function fieldValue(value: unknown): string {
  if (Array.isArray(value)) return value.filter((part) => typeof part === 'string').join(', ');
  return typeof value === 'string' ? value : '';
}
