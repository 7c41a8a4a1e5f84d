import type { Redactor } from '../../redaction/index.ts';
import type { Block, ParsedDocument, TableBlock } from '../parsers/parsed-document.ts';

/**
 * Counts personal data or takes it out, block by block and before anything is stored: redaction that comes after storage,
 * index or log would come too late. All offsets are derived from the blocks afterwards, and so fit the text that is kept.
 */
export function redactDocument(document: ParsedDocument, redactor: Redactor): ParsedDocument {
  const { title, blocks, warnings } = document;
  return {
    ...document,
    title: title === null ? null : redactor.text(title),
    blocks: blocks.map((block) => redactBlock(block, redactor)),
    warnings: warnings.map((warning) => redactor.text(warning)),
  };
}

function redactBlock(block: Block, redactor: Redactor): Block {
  return block.kind === 'table' ? redactTable(block, redactor) : { ...block, text: redactor.text(block.text) };
}

function redactTable(table: TableBlock, redactor: Redactor): TableBlock {
  return {
    ...table,
    header: table.header.map((name) => redactor.text(name)),
    rows: table.rows.map((row) => row.map((cell, column) => redactor.text(cell, table.header[column]))),
    ...(table.caption !== undefined && { caption: redactor.text(table.caption) }),
  };
}
