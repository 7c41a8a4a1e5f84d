import { AppError } from '../../errors/app-error.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { readTextFile } from './decode.ts';
import { type JsonValue, readJson } from './json-reader.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { MAX_BYTES_PER_CHAR } from './plain-text.ts';

/**
 * JSON and JSON Lines: an array of flat objects is a table, wherever it stands; everything else becomes lines of
 * `path: value`, a paragraph for each object. Keys keep their order and numbers their digits.
 *
 * Throws `document_corrupt` for malformed or bottomless JSON. In JSON Lines a malformed line is kept as text, with the
 * warning `invalid_json_lines`.
 */
export async function parseJson(input: ParseInput): Promise<ParsedDocument> {
  const decoded = await readTextFile(input.path, {
    declared: input.charset,
    maxBytes: input.limits.maxTextChars * MAX_BYTES_PER_CHAR,
  });
  const blocks = collectBlocks(input.limits);
  if (decoded.isLossy) blocks.warn('undecodable_bytes_replaced');
  const value =
    input.mediaType === 'application/x-ndjson' ? readJsonLines(decoded.text, blocks) : readWholeJson(decoded.text);
  addValue('', value, blocks);
  return blocks.finish({ title: null });
}

/** The value of a JSON text. Throws `document_corrupt` if it is none. */
export function readWholeJson(text: string): JsonValue {
  const reading = readJson(text);
  if (reading.state === 'complete') return reading.value;
  const reason = reading.state === 'cut' ? 'it ends too early' : reading.reason;
  throw new AppError('document_corrupt', `The file is not valid JSON: ${reason}.`);
}

function readJsonLines(text: string, blocks: BlockCollector): JsonValue {
  const items: JsonValue[] = [];
  for (const line of text.split('\n').filter((candidate) => candidate.trim() !== '')) {
    const reading = readJson(line);
    if (reading.state === 'complete') items.push(reading.value);
    else {
      blocks.warn('invalid_json_lines');
      items.push({ kind: 'string', text: line });
    }
  }
  return { kind: 'array', items };
}

function addValue(path: string, value: JsonValue, blocks: BlockCollector): void {
  switch (value.kind) {
    case 'object':
      addObject(path, value.entries, blocks);
      return;
    case 'array':
      addArray(path, value.items, blocks);
      return;
    default:
      blocks.addLines('paragraph', path === '' ? value.text : `${path}: ${value.text}`);
  }
}

/** The plain values of an object are one paragraph; what is nested in it follows under its own path. */
function addObject(path: string, entries: [string, JsonValue][], blocks: BlockCollector): void {
  const lines: string[] = [];
  const nested: [string, JsonValue][] = [];
  for (const [key, value] of entries) {
    const keyPath = path === '' ? key : `${path}.${key}`;
    const line = lineOf(value);
    if (line === null) nested.push([keyPath, value]);
    else lines.push(`${keyPath}: ${line}`);
  }
  blocks.addLines('paragraph', lines.join('\n'));
  for (const [keyPath, value] of nested) addValue(keyPath, value, blocks);
}

function addArray(path: string, items: JsonValue[], blocks: BlockCollector): void {
  const table = tableOf(items);
  if (table !== null) {
    blocks.addTable({ ...table, ...(path === '' ? {} : { caption: path }) });
    return;
  }
  for (const [index, item] of items.entries()) addValue(`${path}[${index}]`, item, blocks);
}

/** A value that fits on a line: a plain one, or an array of plain ones. Else null. */
function lineOf(value: JsonValue): string | null {
  if (value.kind === 'object') return null;
  if (value.kind !== 'array') return value.text;
  const texts = value.items.map((item) => (item.kind === 'object' || item.kind === 'array' ? null : item.text));
  return texts.includes(null) ? null : texts.join(', ');
}

/** Columns in the order in which keys first appear. Null unless every item is an object of values that fit on a line. */
function tableOf(items: JsonValue[]): { header: string[]; rows: string[][] } | null {
  const columns = new Map<string, number>();
  const rows: string[][] = [];
  for (const item of items) {
    if (item.kind !== 'object') return null;
    const row: string[] = [];
    for (const [key, value] of item.entries) {
      const line = lineOf(value);
      if (line === null) return null;
      const column = columns.get(key) ?? columns.size;
      columns.set(key, column);
      row[column] = value.kind === 'literal' && line === 'null' ? '' : line;
    }
    rows.push(Array.from(row, (cell) => cell ?? ''));
  }
  return rows.length === 0 ? null : { header: [...columns.keys()], rows };
}
