import type { BlockCollector } from './block-collector.ts';
import { type DomElement, type DomNode, isElementNode, isTextNode, textBelow } from './html-dom.ts';
import type { TextBlock } from './parsed-document.ts';

export interface HtmlBlockOptions {
  /** 1-based page of all blocks. */
  page?: number;
  /** Elements to leave out, besides those that never carry text. */
  skip?: (element: DomElement) => boolean;
}

const WITHOUT_TEXT = new Set(
  'script style noscript template head iframe object embed canvas audio video svg select datalist input textarea button rp'.split(
    ' ',
  ),
);

const BLOCKS = new Set(
  `address article aside body blockquote caption center dd details dialog dir div dl dt fieldset figcaption figure footer form
  header hgroup hr html legend li main menu nav ol p section summary table tbody td tfoot th thead tr ul`.split(/\s+/),
);

/** Browsers stop nesting at 512 levels; deeper content is taken as the text it is. */
const MAX_DEPTH = 400;

/** Spans beyond this are mistakes or attacks; HTML itself caps columns at 1000. */
const MAX_SPAN = 100;

type TextKind = Exclude<TextBlock['kind'], 'heading' | 'code'>;

/** Where the walk is: what the text around is, and how deep. */
interface Place {
  kind: TextKind;
  depth: number;
}

/**
 * Turns the content of an element into blocks in document order: headings, paragraphs, list items, quotes, code, tables.
 * Tables that only lay out a page (no second column, or tables and headings inside) are read as the content they hold.
 */
export function addHtmlBlocks(root: DomElement, blocks: BlockCollector, options: HtmlBlockOptions = {}): void {
  const place = options.page === undefined ? {} : { page: options.page };
  let text = '';

  function flush(kind: TextKind): void {
    // Two line breaks in a row are how paragraphs were made before there was a stylesheet.
    for (const part of text.split(/\u2028[\s]*\u2028\s*/)) {
      blocks.addLines(kind, part.replace(/[^\S\u2028]+/g, ' '), place);
    }
    text = '';
  }

  function walkChildren(parent: DomNode, at: Place): void {
    for (let child = parent.firstChild; child !== null; child = child.nextSibling) walk(child, at);
  }

  function walk(node: DomNode, at: Place): void {
    if (isTextNode(node)) {
      text += node.nodeValue ?? '';
      return;
    }
    if (!isElementNode(node) || isLeftOut(node, options)) return;
    if (at.depth > MAX_DEPTH) {
      text += ` ${textBelow(node)} `;
      return;
    }
    walkElement(node, { kind: at.kind, depth: at.depth + 1 });
  }

  function walkElement(element: DomElement, at: Place): void {
    const name = element.localName;
    const level = /^h([1-6])$/.exec(name)?.[1];
    if (level !== undefined) {
      flush(at.kind);
      blocks.add('heading', inlineText(element, options), { level: Number(level), ...place });
    } else if (name === 'br') {
      text += '\u2028';
    } else if (name === 'img') {
      text += ` ${element.getAttribute('alt') ?? ''} `;
    } else if (name === 'pre' || name === 'listing' || name === 'xmp') {
      flush(at.kind);
      blocks.add('code', preformattedText(element), place);
    } else if (name === 'table' && isDataTable(element)) {
      flush(at.kind);
      addTable(element, blocks, options);
    } else if (BLOCKS.has(name)) {
      flush(at.kind);
      const inner = { kind: kindInside(name, at.kind), depth: at.depth };
      walkChildren(element, inner);
      flush(inner.kind);
    } else {
      walkChildren(element, at);
    }
  }

  walkChildren(root, { kind: 'paragraph', depth: 0 });
  flush('paragraph');
}

function kindInside(name: string, around: TextKind): TextKind {
  if (name === 'li') return 'list_item';
  if (name === 'blockquote') return 'quote';
  return around;
}

function isLeftOut(element: DomElement, options: HtmlBlockOptions): boolean {
  return (
    WITHOUT_TEXT.has(element.localName) ||
    element.getAttribute('hidden') !== null ||
    /(^|;)\s*display\s*:\s*none/i.test(element.getAttribute('style') ?? '') ||
    (options.skip?.(element) ?? false)
  );
}

/** Text of an element, with a line break where a block or `br` makes one. */
function inlineText(element: DomElement, options: HtmlBlockOptions, depth = 0): string {
  let text = '';
  for (let child = element.firstChild; child !== null; child = child.nextSibling) {
    // In HTML only elements break lines.
    if (isTextNode(child)) text += (child.nodeValue ?? '').replace(/\s+/g, ' ');
    else if (isElementNode(child) && !isLeftOut(child, options)) text += inlineElementText(child, options, depth + 1);
  }
  return text;
}

function inlineElementText(element: DomElement, options: HtmlBlockOptions, depth: number): string {
  if (element.localName === 'br') return '\n';
  if (element.localName === 'img') return ` ${element.getAttribute('alt') ?? ''} `;
  const inner = depth > MAX_DEPTH ? textBelow(element) : inlineText(element, options, depth);
  return BLOCKS.has(element.localName) ? `\n${inner}\n` : inner;
}

function preformattedText(element: DomElement): string {
  let text = '';
  for (let child = element.firstChild; child !== null; child = child.nextSibling) {
    if (isElementNode(child)) text += child.localName === 'br' ? '\n' : textBelow(child);
    else if (isTextNode(child)) text += child.nodeValue ?? '';
  }
  return text;
}

function isDataTable(table: DomElement): boolean {
  const role = table.getAttribute('role');
  if (role === 'presentation' || role === 'none') return false;
  if (table.querySelector('table, h1, h2, h3, h4, h5, h6, pre') !== null) return false;
  // A selector for the second cell takes time by the square of the row.
  const rows = [...table.querySelectorAll('tr')];
  return rows.some((row) => cellsOf(row).length > 1) || table.querySelector('th') !== null;
}

function addTable(table: DomElement, blocks: BlockCollector, options: HtmlBlockOptions): void {
  const rows = [...table.querySelectorAll('tr')];
  const cells = spreadSpans(rows.map(cellsOf), (cell) => cellText(cell, options));
  const hasHeader = rows[0] !== undefined && isHeaderRow(rows[0]);
  const caption = table.querySelector('caption');
  blocks.addTable({
    header: hasHeader ? (cells[0] ?? []) : [],
    rows: hasHeader ? cells.slice(1) : cells,
    ...(options.page === undefined ? {} : { page: options.page }),
    ...(caption === null ? {} : { caption: inlineText(caption, options) }),
  });
}

function cellsOf(row: DomElement): DomElement[] {
  const cells: DomElement[] = [];
  for (let child = row.firstChild; child !== null; child = child.nextSibling) {
    if (isElementNode(child) && /^t[hd]$/.test(child.localName)) cells.push(child);
  }
  return cells;
}

function isHeaderRow(row: DomElement): boolean {
  const parent = row.parentNode;
  if (parent !== null && isElementNode(parent) && parent.localName === 'thead') return true;
  const cells = cellsOf(row);
  return cells.length > 1 && cells.every((cell) => cell.localName === 'th');
}

/**
 * Rows with the cells that spans cover: across columns empty, so that columns stay aligned; down rows repeated, so that
 * each row says all that holds for it.
 */
function spreadSpans(rows: DomElement[][], textOf: (cell: DomElement) => string): string[][] {
  const carried = new Map<number, { text: string; rowsLeft: number }>();
  return rows.map((cells) => {
    const row: string[] = [];
    const takeCarried = () => {
      for (let above = carried.get(row.length); above !== undefined; above = carried.get(row.length)) {
        above.rowsLeft--;
        if (above.rowsLeft === 0) carried.delete(row.length);
        row.push(above.text);
      }
    };
    for (const cell of cells) {
      takeCarried();
      const rowsLeft = span(cell, 'rowspan') - 1;
      const texts = [textOf(cell), ...Array<string>(span(cell, 'colspan') - 1).fill('')];
      for (const text of texts) {
        if (rowsLeft > 0) carried.set(row.length, { text, rowsLeft });
        row.push(text);
      }
    }
    takeCarried();
    return row;
  });
}

function span(cell: DomElement, attribute: 'rowspan' | 'colspan'): number {
  const value = Number.parseInt(cell.getAttribute(attribute) ?? '1', 10);
  return Number.isNaN(value) ? 1 : Math.min(MAX_SPAN, Math.max(1, value));
}

function cellText(cell: DomElement, options: HtmlBlockOptions): string {
  const lines = inlineText(cell, options).split('\n');
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}
