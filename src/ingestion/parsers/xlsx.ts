import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { builtInKind, formatNumber, kindOfFormat, type NumberKind } from './number-format.ts';
import { mainPart, packageTitle, type Relations, readRelations, relatedParts } from './office-package.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { splitHeader } from './table-header.ts';
import { childElements, descendants, firstChild, parseXml, readXml, textOf, type XmlElement } from './xml.ts';

/** What cells refer to: the strings and number formats of the whole workbook. */
interface Workbook {
  sharedStrings: string[];
  /** Kind of number by style index. */
  styleKinds: NumberKind[];
  isEpoch1904: boolean;
}

/** The last column of a sheet, XFD. */
const MAX_COLUMNS = 16_384;

type SparseRow = Map<number, string>;

/**
 * Excel (.xlsx): each sheet a table with the sheet's name as caption, then the comments and text boxes of the sheet.
 * Formulas count as the value stored with them; the warning `formulas_without_values` says that one had none.
 */
export async function parseXlsx(input: ParseInput): Promise<ParsedDocument> {
  return withArchive(input.path, input.limits, async (archive) => {
    const main = await mainPart(archive);
    if (main === null) throw new AppError('document_corrupt', 'The workbook has no main part.');
    const blocks = collectBlocks(input.limits);
    const relations = await readRelations(archive, main);
    const root = parseXml(await archive.read(main));
    const workbook = await readWorkbook(archive, relations, root);
    for (const sheet of descendants(root, 'sheet')) {
      const part = relations.get(sheet.attributes['r:id'] ?? '')?.target;
      if (part === undefined || !archive.has(part)) continue;
      const rows = await readSheet(archive, part, workbook, blocks, input.limits.maxTextChars);
      blocks.addTable({ ...splitHeader(rows), caption: sheet.attributes.name ?? '' });
      await addNotes(archive, part, blocks);
    }
    return blocks.finish({ title: await packageTitle(archive) });
  });
}

async function readWorkbook(archive: Archive, relations: Relations, root: XmlElement): Promise<Workbook> {
  const flag = firstChild(root, 'workbookPr')?.attributes.date1904;
  return {
    sharedStrings: await readSharedStrings(archive, relatedParts(relations, 'sharedStrings')[0]),
    styleKinds: await readStyleKinds(archive, relatedParts(relations, 'styles')[0]),
    isEpoch1904: flag === '1' || flag === 'true',
  };
}

async function readSharedStrings(archive: Archive, part: string | undefined): Promise<string[]> {
  const strings: string[] = [];
  if (part === undefined || !archive.has(part)) return strings;
  const text = textReader();
  await readXml(archive.chunks(part), {
    open: text.open,
    text: text.text,
    close(name) {
      text.close(name);
      if (name === 'si') strings.push(text.take());
    },
  });
  return strings;
}

async function readStyleKinds(archive: Archive, part: string | undefined): Promise<NumberKind[]> {
  if (part === undefined || !archive.has(part)) return [];
  const styles = parseXml(await archive.read(part));
  const custom = new Map(
    descendants(styles, 'numFmt').map(({ attributes }) => [
      attributes.numFmtId,
      kindOfFormat(attributes.formatCode ?? ''),
    ]),
  );
  const formats = firstChild(styles, 'cellXfs');
  return (formats === undefined ? [] : childElements(formats, 'xf')).map(({ attributes }) => {
    return custom.get(attributes.numFmtId) ?? builtInKind(Number(attributes.numFmtId ?? 0));
  });
}

/** Rows of a sheet that hold something, with the columns that hold something: a sheet may have one cell at XFD1048576. */
async function readSheet(
  archive: Archive,
  part: string,
  workbook: Workbook,
  blocks: BlockCollector,
  maxCells: number,
): Promise<string[][]> {
  const rows: SparseRow[] = [];
  const text = textReader();
  let cell: { column: number; type: string; style: number; hasFormula: boolean } | null = null;
  let nextColumn = 0;
  await readXml(archive.chunks(part), {
    open(name, attributes) {
      text.open(name);
      if (name === 'row') {
        rows.push(new Map());
        nextColumn = 0;
      } else if (name === 'c') {
        const column = columnOf(attributes.r) ?? nextColumn;
        nextColumn = column + 1;
        cell = { column, type: attributes.t ?? 'n', style: Number(attributes.s ?? 0), hasFormula: false };
      } else if (name === 'f' && cell !== null) cell.hasFormula = true;
    },
    text: text.text,
    close(name) {
      text.close(name);
      if (name !== 'c' || cell === null) return;
      const value = cellText(text.take(), cell.type, cell.style, workbook);
      if (value === '' && cell.hasFormula && cell.type !== 'str') blocks.warn('formulas_without_values');
      if (value.trim() !== '' && cell.column < MAX_COLUMNS) rows.at(-1)?.set(cell.column, value);
      cell = null;
    },
  });
  return dense(rows, maxCells);
}

function dense(rows: SparseRow[], maxCells: number): string[][] {
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort((a, b) => a - b);
  const filled = rows.filter((row) => row.size > 0);
  if (filled.length * columns.length > maxCells) {
    throw new AppError('document_too_large', `A sheet spans more than ${maxCells} cells.`);
  }
  return filled.map((row) => columns.map((column) => row.get(column) ?? ''));
}

function cellText(raw: string, type: string, style: number, workbook: Workbook): string {
  switch (type) {
    case 's':
      return workbook.sharedStrings[Number(raw)] ?? '';
    case 'b':
      return raw === '1' ? 'TRUE' : raw === '' ? '' : 'FALSE';
    case 'n':
      return formatNumber(raw, workbook.styleKinds[style] ?? 'number', workbook.isEpoch1904);
    default:
      return raw;
  }
}

/** 0-based column of a reference such as `AB12`, or null if there is none. */
function columnOf(reference: string | undefined): number | null {
  const letters = /^[A-Z]{1,3}(?=\d)/.exec(reference ?? '')?.[0];
  if (letters === undefined) return null;
  return [...letters].reduce((column, letter) => column * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

/** Collects what stands in `t` and `v` elements; `rPh` holds the pronunciation of the text beside it, not text. */
function textReader() {
  let text = '';
  let isInValue = false;
  let phoneticDepth = 0;
  return {
    open(name: string) {
      if (name === 'rPh') phoneticDepth++;
      else if (name === 't' || name === 'v') isInValue = phoneticDepth === 0;
    },
    text(piece: string) {
      if (isInValue) text += piece;
    },
    close(name: string) {
      if (name === 'rPh') phoneticDepth--;
      else if (name === 't' || name === 'v') isInValue = false;
    },
    take(): string {
      const taken = text.replace(/_x([0-9A-F]{4})_/gi, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      );
      text = '';
      return taken;
    },
  };
}

async function addNotes(archive: Archive, sheet: string, blocks: BlockCollector): Promise<void> {
  const relations = await readRelations(archive, sheet);
  const parts = [...relatedParts(relations, 'comments'), ...relatedParts(relations, 'drawing')];
  for (const part of parts.filter((name) => archive.has(name))) {
    const root = parseXml(await archive.read(part));
    const texts = [...descendants(root, 'comment'), ...descendants(root, 'txBody')];
    for (const element of texts) blocks.add('paragraph', descendants(element, 't').map(textOf).join(''));
  }
}
