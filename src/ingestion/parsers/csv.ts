import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { AppError } from '../../errors/app-error.ts';
import { collectBlocks } from './block-collector.ts';
import { cleanLines } from './clean-text.ts';
import { sniffCsvDialect } from './csv-dialect.ts';
import { readTextFile } from './decode.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { MAX_BYTES_PER_CHAR } from './plain-text.ts';
import { splitHeader } from './table-header.ts';

const PIECE_CHARS = 64 * 1024;

/**
 * CSV and its relatives: one table; the delimiter is found from the content. Rows may be ragged. A quote that is never
 * closed makes all quotes plain characters, with the warning `unbalanced_quotes`.
 */
export async function parseCsv(input: ParseInput): Promise<ParsedDocument> {
  const { maxTextChars } = input.limits;
  const decoded = await readTextFile(input.path, {
    declared: input.charset,
    maxBytes: maxTextChars * MAX_BYTES_PER_CHAR,
  });
  const blocks = collectBlocks(input.limits);
  if (decoded.isLossy) blocks.warn('undecodable_bytes_replaced');
  const text = cleanLines(decoded.text);
  const delimiter = sniffCsvDialect(text)?.delimiter ?? (input.mediaType === 'text/csv' ? ',' : '\t');
  let rows = await readRecords(text, delimiter, true, maxTextChars);
  if (rows === null) {
    blocks.warn('unbalanced_quotes');
    rows = await readRecords(text, delimiter, false, maxTextChars);
  }
  blocks.addTable(splitHeader(rows ?? []));
  return blocks.finish({ title: null });
}

/** Records of the text, or null if a quote is never closed. Stops with `document_too_large` instead of piling up cells. */
async function readRecords(
  text: string,
  delimiter: string,
  hasQuotes: boolean,
  maxCells: number,
): Promise<string[][] | null> {
  const parser = Readable.from(pieces(text)).pipe(
    parse({
      delimiter,
      quote: hasQuotes ? '"' : null,
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }),
  );
  const records: string[][] = [];
  let cells = 0;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      cells += record.length;
      if (cells > maxCells) throw new AppError('document_too_large', `The table has more than ${maxCells} cells.`);
      records.push(record);
    }
  } catch (error) {
    if (error instanceof CsvError && hasQuotes) return null;
    throw error;
  }
  return records;
}

function* pieces(text: string): Generator<string, void, undefined> {
  for (let at = 0; at < text.length; at += PIECE_CHARS) yield text.slice(at, at + PIECE_CHARS);
}
