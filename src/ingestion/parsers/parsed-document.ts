/**
 * What every parser makes of a file: blocks in reading order. Blocks carry plain text without markup; the canonical text
 * of the document and all offsets are derived from them in `../chunking/canonical-text.ts`, so parsers count nothing.
 */
export interface ParsedDocument {
  /** The title the document gives itself (metadata, `<title>`, first level-1 heading), or null. */
  title: string | null;
  blocks: Block[];
  /** Number of pages or slides where the format has them, else null. */
  pageCount: number | null;
  /** Stable words for what was left out or guessed, such as `pages_without_text`. Shown in the job's result. */
  warnings: string[];
}

export type Block = TextBlock | TableBlock;

export interface TextBlock {
  kind: 'heading' | 'paragraph' | 'list_item' | 'code' | 'quote';
  /** Never empty after trimming. May hold line breaks (code, verse). */
  text: string;
  /** 1 to 6, for headings only. */
  level?: number;
  /** 1-based page or slide, where the format has them. */
  page?: number;
}

export interface TableBlock {
  kind: 'table';
  /** Column names; empty where the table has none. */
  header: string[];
  /** Cells row by row; rows may be ragged. */
  rows: string[][];
  page?: number;
  /** Name of the sheet or caption, where there is one. */
  caption?: string;
}

/** A PDF with more pages than were to be read at once, of which nothing was read. */
export interface LongDocument {
  pageCount: number;
}

/** From the first page to the last, 1-based, both included. */
export interface PageRange {
  first: number;
  last: number;
}

/** Limits a parser must keep; exceeding one is `document_too_large` or `archive_bomb`. */
export interface ParseLimits {
  maxPages: number;
  /** Sum of the text of all blocks, in UTF-16 code units; of all lines, in a PDF. */
  maxTextChars: number;
  /** Bytes that an archive (docx, xlsx, epub …) may expand to. */
  maxExpandedBytes: number;
}

export interface ParseInput {
  /** Path of a regular file that the parser may read. */
  path: string;
  mediaType: string;
  /** As the uploader named it: a hint, never trusted as a path. */
  fileName: string | null;
  /** Charset that the transport declared (`Content-Type: …; charset=`), where it did. For text formats only. */
  charset?: string | null;
  limits: ParseLimits;
}

/** One file per format exports one of these. Throws `AppError` with a code of the content group. */
export type Parser = (input: ParseInput) => Promise<ParsedDocument>;
