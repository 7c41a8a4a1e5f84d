import { AppError } from '../../errors/app-error.ts';
import { cleanCode, cleanLines, cleanProse } from './clean-text.ts';
import type { Block, ParsedDocument, ParseLimits, TableBlock, TextBlock } from './parsed-document.ts';

export interface BlockCollector {
  /** Adds a block of text; text that is empty once cleaned adds nothing. Code keeps its line breaks, prose does not. */
  add(kind: TextBlock['kind'], text: string, place?: { level?: number; page?: number }): void;
  /** Adds a paragraph whose line breaks mean something (verse, addresses). */
  addLines(kind: TextBlock['kind'], text: string, place?: { page?: number }): void;
  /** Adds a table; rows and columns without any text are left out, a table without any text adds nothing. */
  addTable(table: Omit<TableBlock, 'kind'>): void;
  /** Notes a stable word for something left out or guessed; the same word counts once. */
  warn(word: string): void;
  readonly isEmpty: boolean;
  /** The document. Throws `no_text` if nothing was added. */
  finish(about: { title: string | null; pageCount?: number | null }): ParsedDocument;
}

/**
 * The one way from a parser's findings to blocks: cleans all text and keeps the limit on its sum, so that no parser can
 * forget either. Every `add` throws `document_too_large` once the sum exceeds `limits.maxTextChars`.
 */
export function collectBlocks(limits: ParseLimits): BlockCollector {
  const blocks: Block[] = [];
  const warnings = new Set<string>();
  let chars = 0;

  function spend(count: number): void {
    chars += count;
    if (chars > limits.maxTextChars) {
      throw new AppError('document_too_large', `The document has more than ${limits.maxTextChars} characters of text.`);
    }
  }

  function push(kind: TextBlock['kind'], text: string, place: { level?: number; page?: number }): void {
    if (text.trim() === '') return;
    spend(text.length);
    const block: TextBlock = { kind, text };
    if (kind === 'heading') block.level = Math.min(6, Math.max(1, place.level ?? 1));
    if (place.page !== undefined) block.page = place.page;
    blocks.push(block);
  }

  return {
    add(kind, text, place = {}) {
      push(kind, kind === 'code' ? cleanCode(text) : cleanProse(text), place);
    },
    addLines(kind, text, place = {}) {
      const lines = cleanLines(text).split('\n');
      push(
        kind,
        lines
          .map((line) => line.replace(/\s+/g, ' ').trim())
          .join('\n')
          .trim(),
        place,
      );
    },
    addTable(table) {
      const block = cleanTable(table);
      if (block === null) return;
      spend(tableChars(block));
      blocks.push(block);
    },
    warn(word) {
      warnings.add(word);
    },
    get isEmpty() {
      return blocks.length === 0;
    },
    finish({ title, pageCount = null }) {
      if (blocks.length === 0) throw new AppError('no_text');
      return { title: documentTitle(title, blocks), blocks, pageCount, warnings: [...warnings] };
    },
  };
}

function documentTitle(given: string | null, blocks: Block[]): string | null {
  const title = cleanProse(given ?? '');
  if (title !== '') return title;
  const heading = blocks.find((block) => block.kind === 'heading' && block.level === 1);
  return heading?.kind === 'heading' && !NUMBERED_SECTION.test(heading.text) ? heading.text : null;
}

/** "1 Introduction" is a part of a document, not its name. */
const NUMBERED_SECTION = /^\d{1,2}(\.\d{1,2})*[.)]?\s/;

function cleanTable(table: Omit<TableBlock, 'kind'>): TableBlock | null {
  const header = trimEnd(table.header.map(cleanCell));
  const rows = table.rows.map((row) => trimEnd(row.map(cleanCell))).filter((row) => row.length > 0);
  if (header.length === 0 && rows.length === 0) return null;
  const block: TableBlock = { kind: 'table', header, rows };
  if (table.page !== undefined) block.page = table.page;
  const caption = cleanProse(table.caption ?? '');
  if (caption !== '') block.caption = caption;
  return block;
}

/** Line breaks inside a cell are kept: they are data in CSV and separate paragraphs in Office tables. */
function cleanCell(text: string): string {
  return cleanLines(text)
    .replace(/[^\S\n]+/g, ' ')
    .trim();
}

function trimEnd(row: string[]): string[] {
  return row.slice(0, row.findLastIndex((cell) => cell !== '') + 1);
}

function tableChars(table: TableBlock): number {
  const count = (row: string[]) => row.reduce((sum, cell) => sum + cell.length + 1, 0);
  return table.rows.reduce((sum, row) => sum + count(row), count(table.header));
}
