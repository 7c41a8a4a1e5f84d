import type { Block, ParsedDocument, TableBlock, TextBlock } from '../parsers/parsed-document.ts';
import type { BlockSpan, CanonicalText } from './chunk.ts';
import { tableSegments } from './table-text.ts';

/**
 * The one text of a document that all offsets refer to: its blocks in order with a blank line between them (items of a
 * list on lines of their own), each recorded as a span. Lone surrogates and NUL characters, which SQLite would not give
 * back as they were, become U+FFFD. A document without text gives an empty text.
 */
export function toCanonicalText(document: ParsedDocument): CanonicalText {
  const parts: string[] = [];
  const spans: BlockSpan[] = [];
  let length = 0;
  for (const block of document.blocks) {
    for (const blockText of textsOf(block)) {
      const separator = separatorBetween(spans.at(-1), block);
      const start = length + separator.length;
      parts.push(separator, blockText);
      length = start + blockText.length;
      spans.push(spanOf(block, start, length));
    }
  }
  return { text: parts.join(''), spans };
}

function textsOf(block: Block): string[] {
  return (isTable(block) ? tableSegments(block) : [block.text]).map(storable).filter((text) => text !== '');
}

function storable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').replaceAll('\0', '\ufffd').toWellFormed().trim();
}

function separatorBetween(previous: BlockSpan | undefined, next: Block): string {
  if (previous === undefined) return '';
  return previous.kind === 'list_item' && next.kind === 'list_item' ? '\n' : '\n\n';
}

function spanOf(block: Block, start: number, end: number): BlockSpan {
  const span: BlockSpan = { kind: block.kind, start, end };
  if (!isTable(block) && block.kind === 'heading') span.level = block.level ?? 1;
  if (block.page !== undefined) span.page = block.page;
  return span;
}

function isTable(block: TextBlock | TableBlock): block is TableBlock {
  return block.kind === 'table';
}
