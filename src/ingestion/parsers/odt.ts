import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { splitHeader } from './table-header.ts';
import { childElements, descendants, firstChild, isElement, parseXml, textOf, type XmlElement } from './xml.ts';

/** Repeated rows and columns are a compression of the format; real data does not repeat further than this. */
const MAX_REPEATS = 1000;

/** What the walk has to know of its surroundings. */
interface Place {
  kind: 'paragraph' | 'list_item';
  page?: number;
}

/** Deleted text that is kept for its history, forms, and lists that are generated from the headings. */
const LEFT_OUT = new Set([
  'tracked-changes',
  'forms',
  'table-of-content',
  'sequence-decls',
  'variable-decls',
  'settings',
]);

/**
 * OpenDocument: text (.odt), spreadsheets (.ods, each sheet a table), presentations (.odp, a page a slide, with notes).
 * Comments are left out with the warning `comments_left_out`. Throws `document_encrypted` for a file with a password.
 */
export async function parseOpenDocument(input: ParseInput): Promise<ParsedDocument> {
  return withArchive(input.path, input.limits, async (archive) => {
    if (await isEncrypted(archive)) throw new AppError('document_encrypted');
    const content = parseXml(await archive.read('content.xml'));
    const blocks = collectBlocks(input.limits);
    for (const body of childElements(firstChild(content, 'body') ?? content)) {
      if (body.name === 'spreadsheet') addSheets(body, blocks);
      else addChildren(body, { kind: 'paragraph' }, blocks);
    }
    const slides = descendants(content, 'page');
    if (slides.length > input.limits.maxPages) {
      throw new AppError('document_too_large', `The presentation has ${slides.length} slides.`);
    }
    if (firstChild(firstChild(content, 'body'), 'text') !== undefined) await addMargins(archive, blocks);
    return blocks.finish({ title: await documentTitle(archive), pageCount: slides.length || null });
  });
}

async function isEncrypted(archive: Archive): Promise<boolean> {
  const name = 'META-INF/manifest.xml';
  return archive.has(name) && descendants(parseXml(await archive.read(name)), 'encryption-data').length > 0;
}

async function documentTitle(archive: Archive): Promise<string | null> {
  if (!archive.has('meta.xml')) return null;
  return textOf(descendants(parseXml(await archive.read('meta.xml')), 'title')[0]).trim() || null;
}

function addSheets(spreadsheet: XmlElement, blocks: BlockCollector): void {
  for (const table of childElements(spreadsheet, 'table')) {
    const { header, rows } = readTable(table, blocks);
    const split =
      header.length > 0 ? { header, rows } : splitHeader(rows.filter((row) => row.some((cell) => cell !== '')));
    blocks.addTable({ ...split, caption: table.attributes.name ?? '' });
  }
}

function addChildren(parent: XmlElement, place: Place, blocks: BlockCollector): void {
  let slide = 0;
  for (const child of childElements(parent)) {
    if (child.name === 'page') addChildren(child, { ...place, page: ++slide }, blocks);
    else addElement(child, place, blocks);
  }
}

function addElement(element: XmlElement, place: Place, blocks: BlockCollector): void {
  const page = place.page === undefined ? {} : { page: place.page };
  if (LEFT_OUT.has(element.name)) return;
  switch (element.name) {
    case 'h':
      blocks.add('heading', inlineText(element), { level: Number(element.attributes['outline-level'] ?? 1), ...page });
      addNested(element, place, blocks);
      return;
    case 'p':
      blocks.addLines(place.kind, inlineText(element), page);
      addNested(element, place, blocks);
      return;
    case 'list':
      addChildren(element, { ...place, kind: 'list_item' }, blocks);
      return;
    case 'table':
      blocks.addTable({ ...readTable(element, blocks), ...page });
      return;
    case 'annotation':
      blocks.warn('comments_left_out');
      return;
    case 'desc':
    case 'title':
      // Alternative text of a picture.
      blocks.add('paragraph', textOf(element), page);
      return;
    default:
      addChildren(element, place, blocks);
  }
}

/** Foot notes, text boxes and comments hang inside the paragraph they are anchored to; they follow it as blocks. */
function addNested(paragraph: XmlElement, place: Place, blocks: BlockCollector): void {
  for (const child of childElements(paragraph)) {
    if (child.name === 'note')
      addChildren(firstChild(child, 'note-body') ?? child, { ...place, kind: 'paragraph' }, blocks);
    else if (child.name === 'annotation' || isDrawing(child))
      addElement(child, { ...place, kind: 'paragraph' }, blocks);
    else addNested(child, place, blocks);
  }
}

function isDrawing(element: XmlElement): boolean {
  return /^(frame|custom-shape|g|rect|text-box)$/.test(element.name);
}

/** Text of a paragraph, without what `addNested` adds. */
function inlineText(element: XmlElement): string {
  return element.children
    .map((node) => {
      if (!isElement(node)) return node;
      switch (node.name) {
        case 's':
        case 'tab':
          return ' ';
        case 'line-break':
          return '\n';
        case 'note':
        case 'annotation':
        case 'ruby-text':
          return '';
        default:
          return isDrawing(node) ? '' : inlineText(node);
      }
    })
    .join('');
}

function readTable(table: XmlElement, blocks: BlockCollector): { header: string[]; rows: string[][] } {
  const headerRows = childElements(table, 'table-header-rows').flatMap((group) => rowsOf(group, blocks));
  const rows = [...headerRows.slice(1), ...rowsOf(table, blocks)];
  return { header: headerRows[0] ?? [], rows };
}

function rowsOf(parent: XmlElement, blocks: BlockCollector): string[][] {
  return childElements(parent).flatMap((child) => {
    if (child.name === 'table-rows' || child.name === 'table-row-group') return rowsOf(child, blocks);
    if (child.name !== 'table-row') return [];
    const row = cellsOf(child, blocks);
    const isBlank = row.every((cell) => cell === '');
    return Array<string[]>(isBlank ? 1 : repeats(child, 'number-rows-repeated')).fill(row);
  });
}

function cellsOf(row: XmlElement, blocks: BlockCollector): string[] {
  return childElements(row).flatMap((cell) => {
    if (cell.name !== 'table-cell' && cell.name !== 'covered-table-cell') return [];
    return Array<string>(repeats(cell, 'number-columns-repeated')).fill(cellText(cell, blocks));
  });
}

function cellText(cell: XmlElement, blocks: BlockCollector): string {
  if (descendants(cell, 'annotation').length > 0) blocks.warn('comments_left_out');
  return paragraphsIn(cell).join('\n');
}

/** Texts of all paragraphs in a cell, those of lists and tables in it included. */
function paragraphsIn(element: XmlElement): string[] {
  return childElements(element).flatMap((child) => {
    if (child.name === 'annotation') return [];
    if (child.name === 'p' || child.name === 'h') return [inlineText(child), ...paragraphsIn(child)];
    return paragraphsIn(child);
  });
}

function repeats(element: XmlElement, attribute: string): number {
  const count = Number.parseInt(element.attributes[attribute] ?? '1', 10);
  return Number.isNaN(count) ? 1 : Math.min(MAX_REPEATS, Math.max(1, count));
}

/** Page headers and footers, each text once; page numbers alone are left out. */
async function addMargins(archive: Archive, blocks: BlockCollector): Promise<void> {
  if (!archive.has('styles.xml')) return;
  const master = firstChild(parseXml(await archive.read('styles.xml')), 'master-styles');
  if (master === undefined) return;
  const margins = ['header', 'footer'].flatMap((name) => descendants(master, name));
  const texts = new Set(margins.flatMap(paragraphsIn).map((text) => text.trim()));
  for (const text of texts) if (!/^\d*$/.test(text)) blocks.add('paragraph', text);
}
