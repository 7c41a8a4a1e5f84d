import { AppError } from '../../errors/app-error.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { readTextFile } from './decode.ts';
import { readWholeJson } from './json.ts';
import type { JsonValue } from './json-reader.ts';
import { addMarkdown } from './markdown.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';

/** Pictures in the outputs are stored as base64, so a notebook is larger than its text. */
const MAX_NOTEBOOK_BYTES = 100 * 1024 * 1024;

/** Jupyter notebooks: Markdown cells as Markdown, code cells as code, followed by the textual outputs of each. */
export async function parseNotebook(input: ParseInput): Promise<ParsedDocument> {
  const decoded = await readTextFile(input.path, { declared: input.charset, maxBytes: MAX_NOTEBOOK_BYTES });
  const notebook = readWholeJson(decoded.text);
  const cells = member(notebook, 'cells');
  if (cells?.kind !== 'array') throw new AppError('document_corrupt', 'The notebook has no cells.');
  const blocks = collectBlocks(input.limits);
  for (const cell of cells.items) addCell(cell, blocks);
  return blocks.finish({ title: sourceText(member(member(notebook, 'metadata'), 'title')) });
}

function addCell(cell: JsonValue, blocks: BlockCollector): void {
  const source = sourceText(member(cell, 'source'));
  const type = sourceText(member(cell, 'cell_type'));
  if (type === 'markdown') addMarkdown(source, blocks);
  else blocks.add(type === 'code' ? 'code' : 'paragraph', source);
  const outputs = member(cell, 'outputs');
  if (outputs?.kind !== 'array') return;
  for (const output of outputs.items) blocks.add('code', outputText(output));
}

/** What a reader sees of an output: printed text, the plain form of a value, or the error. */
function outputText(output: JsonValue): string {
  const printed = sourceText(member(output, 'text')) || sourceText(member(member(output, 'data'), 'text/plain'));
  if (printed !== '') return printed;
  const name = sourceText(member(output, 'ename'));
  return name === '' ? '' : `${name}: ${sourceText(member(output, 'evalue'))}`;
}

/** Notebooks keep texts as one string or as an array of lines. */
function sourceText(value: JsonValue | undefined): string {
  if (value?.kind === 'string') return value.text;
  return value?.kind === 'array' ? value.items.map(sourceText).join('') : '';
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value?.kind === 'object' ? value.entries.find(([key]) => key === name)?.[1] : undefined;
}
