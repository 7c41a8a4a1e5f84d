import { pieceRanges, shorten } from '../../base/text-cut.ts';
import type { TableBlock } from '../parsers/parsed-document.ts';

/** Below the size of a chunk, so that a chunk never has to cut a segment and lose its header. */
const MAX_SEGMENT_CHARS = 900;
/** What is repeated at the head of each segment must leave room for rows. */
const MAX_REPEATED_CHARS = 300;
const MAX_COLUMN_NAME_CHARS = 60;
const CELL_SEPARATOR = ' | ';

/**
 * A table as segments of at most ~900 characters that can each be read alone: caption and column names, then rows as
 * `a | b | c`. Where the column names are too long to repeat, each cell carries its own as `name: value`. An empty table
 * gives no segments.
 */
export function tableSegments(table: TableBlock): string[] {
  const caption = oneLine(table.caption ?? '');
  const header = table.header.map(oneLine);
  const rows = table.rows.map((row) => row.map(oneLine)).filter((row) => row.some((cell) => cell !== ''));
  const repeatedCaption = shorten(caption, MAX_REPEATED_CHARS / 2);
  const headerLine = rowLine(header);
  const captionInFull = repeatedCaption === caption ? [] : cutIntoPieces(caption, MAX_SEGMENT_CHARS);

  if (headerLine.length <= MAX_REPEATED_CHARS) {
    const head = [repeatedCaption, headerLine].filter((line) => line !== '');
    return [...captionInFull, ...segmentsOf(head, rows.map(rowLine))];
  }
  const names = header.map((name) => shorten(name, MAX_COLUMN_NAME_CHARS));
  const records = [headerLine, ...rows.map((row) => recordLine(names, row))];
  return [...captionInFull, ...segmentsOf(repeatedCaption === '' ? [] : [repeatedCaption], records)];
}

function segmentsOf(head: readonly string[], lines: readonly string[]): string[] {
  const headLength = head.join('\n').length;
  const fitting = lines.flatMap((line) => cutIntoPieces(line, MAX_SEGMENT_CHARS - headLength - 1));
  const segments: string[] = [];
  let current = [...head];
  let length = headLength;
  for (const line of fitting) {
    if (length + 1 + line.length > MAX_SEGMENT_CHARS && current.length > head.length) {
      segments.push(current.join('\n'));
      current = [...head];
      length = headLength;
    }
    current.push(line);
    length += 1 + line.length;
  }
  if (current.length > 0) segments.push(current.join('\n'));
  return segments;
}

function cutIntoPieces(line: string, maxChars: number): string[] {
  return pieceRanges(line, maxChars).map(({ start, end }) => line.slice(start, end));
}

function rowLine(cells: readonly string[]): string {
  if (cells.every((cell) => cell === '')) return '';
  return cells.join(CELL_SEPARATOR).trim();
}

function recordLine(names: readonly string[], cells: readonly string[]): string {
  return cells
    .map((cell, column) => (names[column] ? `${names[column]}: ${cell}` : cell))
    .filter((_, column) => cells[column] !== '')
    .join(CELL_SEPARATOR);
}

function oneLine(cell: string): string {
  return cell.replace(/\s+/g, ' ').trim();
}
