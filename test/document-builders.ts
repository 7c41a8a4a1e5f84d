import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** Small documents of every binary format, made for tests: real enough for any reader, and nobody else's. */

/** A paragraph, or something else for a body of text. `xml` goes in as it is. */
export type BodyBlock = string | { heading: string; level?: number } | { table: string[][] } | { xml: string };

export interface PdfOptions {
  title?: string;
  /** Locks the file with a user password that nobody knows. */
  isEncrypted?: boolean;
}

/** A page that shows a grey square and no text. */
export const PICTURE_PAGE = Symbol('a page with a picture only');

/**
 * A PDF with one page for each element: its lines, as an array or parted by line breaks. A line `# like this` is set in
 * 24 points instead of 12; an empty line leaves a gap. Characters beyond Latin-1 are not possible.
 */
export function buildPdf(
  pages: readonly (string | string[] | typeof PICTURE_PAGE)[],
  options: PdfOptions = {},
): Buffer {
  const objects: string[] = [];
  const add = (body: string) => objects.push(body);
  const pageIds = pages.map((_, index) => 4 + index * 2);
  add('<< /Type /Catalog /Pages 2 0 R >>');
  add(`<< /Type /Pages /Kids [${pageIds.map((id) => `${id} 0 R`).join(' ')}] /Count ${pages.length} >>`);
  add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>');
  for (const [index, page] of pages.entries()) {
    const content =
      page === PICTURE_PAGE ? pictureContent() : textContent(typeof page === 'string' ? page.split('\n') : page);
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${pageIds[index]! + 1} 0 R >>`,
    );
    add(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
  }
  add(`<< /Producer (test) ${options.title === undefined ? '' : `/Title ${pdfString(options.title)}`} >>`);
  const infoId = objects.length;
  let trailer = `/Root 1 0 R /Info ${infoId} 0 R`;
  if (options.isEncrypted) {
    add(`<< /Filter /Standard /V 1 /R 2 /P -4 /O <${'5a'.repeat(32)}> /U <${'a5'.repeat(32)}> >>`);
    trailer += ` /Encrypt ${objects.length} 0 R /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]`;
  }
  return assemblePdf(objects, trailer);
}

function assemblePdf(objects: string[], trailer: string): Buffer {
  let text = '%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n';
  const offsets: number[] = [];
  for (const [index, body] of objects.entries()) {
    offsets.push(text.length);
    text += `${index + 1} 0 obj\n${body}\nendobj\n`;
  }
  const start = text.length;
  const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}`;
  text += `trailer\n<< /Size ${objects.length + 1} ${trailer} >>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(text, 'latin1');
}

function textContent(lines: string[]): string {
  const shown = lines.map((line) => {
    if (line === '') return '0 -14 Td';
    const isLarge = line.startsWith('# ');
    const size = isLarge ? 24 : 12;
    return `/F1 ${size} Tf 0 -${isLarge ? 30 : 14} Td ${pdfString(isLarge ? line.slice(2) : line)} Tj`;
  });
  return `BT 72 740 Td\n${shown.join('\n')}\nET`;
}

function pictureContent(): string {
  return 'q 200 0 0 200 100 400 cm\nBI /W 1 /H 1 /CS /G /BPC 8 ID \u0080 EI\nQ';
}

function pdfString(text: string): string {
  return `(${text.replace(/[\\()]/g, '\\$&')})`;
}

/** A zip archive of the entries in their order; names ending in `!` are stored without compression, the mark dropped. */
export async function buildZip(entries: Record<string, string | Buffer>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(entries)) {
    const isStored = name.endsWith('!');
    zip.addBuffer(Buffer.from(content), isStored ? name.slice(0, -1) : name, {
      compress: !isStored,
      mtime: new Date(Date.UTC(2020, 0, 1)),
    });
  }
  zip.end();
  return buffer(zip.outputStream);
}

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const PACKAGE_RELATIONS = 'http://schemas.openxmlformats.org/package/2006/relationships';
const OFFICE_RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const WORD = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const DRAWING = 'http://schemas.openxmlformats.org/drawingml/2006/main';
const PRESENTATION = 'http://schemas.openxmlformats.org/presentationml/2006/main';
const SHEET = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const COMPATIBILITY = 'http://schemas.openxmlformats.org/markup-compatibility/2006';

export interface OfficeOptions {
  title?: string;
  /** More parts of the package, or other contents for those it has. */
  parts?: Record<string, string | Buffer>;
}

/** A Word document. */
export async function buildDocx(blocks: readonly BodyBlock[], options: OfficeOptions = {}): Promise<Buffer> {
  const body = blocks.map(wordBlock).join('');
  return buildOfficePackage('word/document.xml', 'wordprocessingml.document', options, {
    'word/document.xml': `${XML}<w:document xmlns:w="${WORD}" xmlns:mc="${COMPATIBILITY}" xmlns:a="${DRAWING}"
      xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
      xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><w:body>${body}</w:body></w:document>`,
    'word/styles.xml': `${XML}<w:styles xmlns:w="${WORD}">${[1, 2, 3].map(headingStyle).join('')}</w:styles>`,
    'word/_rels/document.xml.rels': relations({ rId1: ['styles', 'styles.xml'] }),
  });
}

function headingStyle(level: number): string {
  return `<w:style w:type="paragraph" w:styleId="Heading${level}"><w:name w:val="heading ${level}"/></w:style>`;
}

function wordBlock(block: BodyBlock): string {
  if (typeof block === 'string') return wordParagraph(block);
  if ('heading' in block) return wordParagraph(block.heading, `Heading${block.level ?? 1}`);
  if ('xml' in block) return block.xml;
  const rows = block.table.map(
    (row) => `<w:tr>${row.map((cell) => `<w:tc>${wordParagraph(cell)}</w:tc>`).join('')}</w:tr>`,
  );
  return `<w:tbl>${rows.join('')}</w:tbl>`;
}

function wordParagraph(text: string, style?: string): string {
  const properties = style === undefined ? '' : `<w:pPr><w:pStyle w:val="${style}"/></w:pPr>`;
  return `<w:p>${properties}<w:r><w:t xml:space="preserve">${escapeXml(text)}</w:t></w:r></w:p>`;
}

export interface Slide {
  title?: string;
  body?: string[];
  notes?: string;
  /** Further shapes as they are. */
  xml?: string;
}

/** A PowerPoint presentation. */
export async function buildPptx(slides: readonly Slide[], options: OfficeOptions = {}): Promise<Buffer> {
  const parts: Record<string, string> = {};
  for (const [index, slide] of slides.entries()) {
    const number = index + 1;
    parts[`ppt/slides/slide${number}.xml`] = slideXml('sld', [
      ...(slide.body === undefined ? [] : [slideShape('<p:ph idx="1"/>', slide.body)]),
      ...(slide.title === undefined ? [] : [slideShape('<p:ph type="title"/>', [slide.title])]),
      slide.xml ?? '',
    ]);
    if (slide.notes === undefined) continue;
    parts[`ppt/notesSlides/notesSlide${number}.xml`] = slideXml('notes', [
      slideShape('<p:ph type="body" idx="1"/>', [slide.notes]),
      slideShape('<p:ph type="sldNum" idx="2"/>', [String(number)]),
    ]);
    parts[`ppt/slides/_rels/slide${number}.xml.rels`] = relations({
      rId1: ['notesSlide', `../notesSlides/notesSlide${number}.xml`],
    });
  }
  const ids = slides.map((_, index) => `<p:sldId id="${256 + index}" r:id="rId${index + 1}"/>`).join('');
  return buildOfficePackage('ppt/presentation.xml', 'presentationml.presentation', options, {
    'ppt/presentation.xml': `${XML}<p:presentation xmlns:p="${PRESENTATION}" xmlns:r="${OFFICE_RELATIONS}"><p:sldIdLst>${ids}</p:sldIdLst></p:presentation>`,
    'ppt/_rels/presentation.xml.rels': relations(
      Object.fromEntries(
        slides.map((_, index) => [`rId${index + 1}`, ['slide', `slides/slide${index + 1}.xml`] as const]),
      ),
    ),
    ...parts,
  });
}

/** A shape of a slide with a line of text for each paragraph; `placeholder` is its `p:ph` element or nothing. */
export function slideShape(placeholder: string, paragraphs: string[]): string {
  const text = paragraphs.map((line) => `<a:p><a:r><a:t>${escapeXml(line)}</a:t></a:r></a:p>`).join('');
  return `<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:cNvSpPr/><p:nvPr>${placeholder}</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>${text}</p:txBody></p:sp>`;
}

function slideXml(root: 'sld' | 'notes', shapes: string[]): string {
  return `${XML}<p:${root} xmlns:p="${PRESENTATION}" xmlns:a="${DRAWING}" xmlns:r="${OFFICE_RELATIONS}" xmlns:mc="${COMPATIBILITY}"
    xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><p:cSld><p:spTree>${shapes.join('')}</p:spTree></p:cSld></p:${root}>`;
}

export type CellValue = string | number | boolean | Date | null | { formula: string; value?: string | number };

/** An Excel workbook: strings are shared, dates are numbers with a date format, null leaves the cell out. */
export async function buildXlsx(
  sheets: readonly { name: string; rows: CellValue[][] }[],
  options: OfficeOptions = {},
): Promise<Buffer> {
  const strings: string[] = [];
  const parts = Object.fromEntries(
    sheets.map(({ rows }, index) => [
      `xl/worksheets/sheet${index + 1}.xml`,
      `${XML}<worksheet xmlns="${SHEET}"><sheetData>${rows.map((row, at) => sheetRow(row, at + 1, strings)).join('')}</sheetData></worksheet>`,
    ]),
  );
  const names = sheets.map(
    ({ name }, index) => `<sheet name="${escapeXml(name)}" sheetId="${index + 1}" r:id="rId${index + 1}"/>`,
  );
  const ids = Object.fromEntries(
    sheets.map((_, index) => [`rId${index + 1}`, ['worksheet', `worksheets/sheet${index + 1}.xml`] as const]),
  );
  return buildOfficePackage('xl/workbook.xml', 'spreadsheetml.sheet', options, {
    'xl/workbook.xml': `${XML}<workbook xmlns="${SHEET}" xmlns:r="${OFFICE_RELATIONS}"><sheets>${names.join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': relations({
      ...ids,
      strings: ['sharedStrings', 'sharedStrings.xml'],
      styles: ['styles', 'styles.xml'],
    }),
    'xl/sharedStrings.xml': `${XML}<sst xmlns="${SHEET}">${strings.map((text) => `<si><t xml:space="preserve">${escapeXml(text)}</t></si>`).join('')}</sst>`,
    // Style 0: general; 1: date; 2: a date format of its own; 3: percent.
    'xl/styles.xml': `${XML}<styleSheet xmlns="${SHEET}"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/></numFmts>
      <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="9"/></cellXfs></styleSheet>`,
    ...parts,
  });
}

function sheetRow(row: CellValue[], number: number, strings: string[]): string {
  const cells = row.map((value, column) => sheetCell(value, `${columnName(column)}${number}`, strings));
  return `<row r="${number}">${cells.join('')}</row>`;
}

function sheetCell(value: CellValue, reference: string, strings: string[]): string {
  if (value === null) return '';
  if (typeof value === 'string') return `<c r="${reference}" t="s"><v>${strings.push(value) - 1}</v></c>`;
  if (typeof value === 'number') return `<c r="${reference}"><v>${value}</v></c>`;
  if (typeof value === 'boolean') return `<c r="${reference}" t="b"><v>${value ? 1 : 0}</v></c>`;
  if (value instanceof Date) {
    const serial = value.getTime() / 86_400_000 + 25_569;
    return `<c r="${reference}" s="${Number.isInteger(serial) ? 1 : 2}"><v>${serial}</v></c>`;
  }
  const result = value.value === undefined ? '' : `<v>${escapeXml(String(value.value))}</v>`;
  return `<c r="${reference}"${typeof value.value === 'string' ? ' t="str"' : ''}><f>${escapeXml(value.formula)}</f>${result}</c>`;
}

function columnName(column: number): string {
  const letter = String.fromCharCode(65 + (column % 26));
  return column < 26 ? letter : columnName(Math.floor(column / 26) - 1) + letter;
}

/** An OpenDocument text. */
export async function buildOdt(blocks: readonly BodyBlock[], options: OfficeOptions = {}): Promise<Buffer> {
  return buildOpenDocument('text', blocks.map(odfBlock).join(''), options);
}

/** An OpenDocument spreadsheet. */
export async function buildOds(
  sheets: readonly { name: string; rows: string[][] }[],
  options: OfficeOptions = {},
): Promise<Buffer> {
  const tables = sheets.map(({ name, rows }) => odfTable(rows, ` table:name="${escapeXml(name)}"`)).join('');
  return buildOpenDocument('spreadsheet', tables, options);
}

async function buildOpenDocument(kind: 'text' | 'spreadsheet', body: string, options: OfficeOptions): Promise<Buffer> {
  const names = ['office', 'text', 'table', 'draw', 'meta'].map(
    (name) => `xmlns:${name}="urn:oasis:names:tc:opendocument:xmlns:${name}:1.0"`,
  );
  return buildZip({
    'mimetype!': `application/vnd.oasis.opendocument.${kind}`,
    'content.xml': `${XML}<office:document-content ${names.join(' ')}><office:body><office:${kind}>${body}</office:${kind}></office:body></office:document-content>`,
    'meta.xml': `${XML}<office:document-meta ${names.join(' ')} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>${dcTitle(options)}</office:meta></office:document-meta>`,
    ...options.parts,
  });
}

function odfBlock(block: BodyBlock): string {
  if (typeof block === 'string') return `<text:p>${escapeXml(block)}</text:p>`;
  if ('heading' in block)
    return `<text:h text:outline-level="${block.level ?? 1}">${escapeXml(block.heading)}</text:h>`;
  return 'xml' in block ? block.xml : odfTable(block.table, '');
}

function odfTable(rows: string[][], attributes: string): string {
  const cell = (text: string) => `<table:table-cell><text:p>${escapeXml(text)}</text:p></table:table-cell>`;
  const lines = rows.map((row) => `<table:table-row>${row.map(cell).join('')}</table:table-row>`);
  return `<table:table${attributes}>${lines.join('')}</table:table>`;
}

/** An EPUB 3 book; `html` is the content of each chapter's `body`. */
export async function buildEpub(
  chapters: readonly { title: string; html: string }[],
  options: OfficeOptions & { authors?: string[] } = {},
): Promise<Buffer> {
  const items = chapters.map(
    (_, index) => `<item id="c${index}" href="text/c%20${index}.xhtml" media-type="application/xhtml+xml"/>`,
  );
  const order = chapters.map((_, index) => `<itemref idref="c${index}"/>`);
  const authors = (options.authors ?? []).map((author) => `<dc:creator>${escapeXml(author)}</dc:creator>`).join('');
  const files = chapters.map(({ title, html }, index) => [
    `OEBPS/text/c ${index}.xhtml`,
    `${XML}<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>${escapeXml(title)}</title><script src="x.js"/></head><body>${html}</body></html>`,
  ]);
  return buildZip({
    'mimetype!': 'application/epub+zip',
    'META-INF/container.xml': `${XML}<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`,
    'OEBPS/book.opf': `${XML}<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">${dcTitle(options)}${authors}</metadata>
      <manifest>${items.join('')}</manifest><spine>${order.join('')}</spine></package>`,
    ...Object.fromEntries(files),
    ...options.parts,
  });
}

async function buildOfficePackage(
  main: string,
  type: string,
  options: OfficeOptions,
  parts: Record<string, string>,
): Promise<Buffer> {
  return buildZip({
    '[Content_Types].xml': `${XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/${main}" ContentType="application/vnd.openxmlformats-officedocument.${type}.main+xml"/></Types>`,
    '_rels/.rels': relations({ rId1: ['officeDocument', main] }),
    'docProps/core.xml': `${XML}<coreProperties xmlns:dc="http://purl.org/dc/elements/1.1/">${dcTitle(options)}</coreProperties>`,
    ...parts,
    ...options.parts,
  });
}

function relations(targets: Record<string, readonly [type: string, target: string]>): string {
  const entries = Object.entries(targets).map(
    ([id, [type, target]]) => `<Relationship Id="${id}" Type="${OFFICE_RELATIONS}/${type}" Target="${target}"/>`,
  );
  return `${XML}<Relationships xmlns="${PACKAGE_RELATIONS}">${entries.join('')}</Relationships>`;
}

function dcTitle({ title }: OfficeOptions): string {
  return title === undefined ? '' : `<dc:title>${escapeXml(title)}</dc:title>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
