import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { mainPart, packageTitle, readRelations, relatedParts, resolveAlternatives } from './office-package.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { childElements, descendants, firstChild, isElement, parseXml, textOf, type XmlElement } from './xml.ts';

/**
 * PowerPoint (.pptx): one page a slide, in the order of the presentation. The title placeholder becomes a heading, then
 * shapes in their order, tables, the numbers and labels of charts, texts of SmartArt, alternative texts of pictures, and
 * the speaker notes.
 */
export async function parsePptx(input: ParseInput): Promise<ParsedDocument> {
  return withArchive(input.path, input.limits, async (archive) => {
    const presentation = await mainPart(archive);
    if (presentation === null) throw new AppError('document_corrupt', 'The presentation has no main part.');
    const slides = await slidesInOrder(archive, presentation);
    if (slides.length > input.limits.maxPages) {
      throw new AppError('document_too_large', `The presentation has ${slides.length} slides.`);
    }
    const blocks = collectBlocks(input.limits);
    for (const [index, slide] of slides.entries()) await addSlide(archive, slide, index + 1, blocks);
    return blocks.finish({ title: await packageTitle(archive), pageCount: slides.length });
  });
}

async function slidesInOrder(archive: Archive, presentation: string): Promise<string[]> {
  const relations = await readRelations(archive, presentation);
  return descendants(parseXml(await archive.read(presentation)), 'sldId')
    .map((entry) => relations.get(entry.attributes['r:id'] ?? '')?.target)
    .filter((part): part is string => part !== undefined && archive.has(part));
}

async function addSlide(archive: Archive, part: string, page: number, blocks: BlockCollector): Promise<void> {
  const slide = resolveAlternatives(parseXml(await archive.read(part)));
  const relations = await readRelations(archive, part);
  for (const tree of descendants(slide, 'spTree')) addShapes(tree, page, blocks);
  for (const diagram of relatedParts(relations, 'diagramData')) await addDiagram(archive, diagram, page, blocks);
  for (const chart of relatedParts(relations, 'chart')) await addChart(archive, chart, page, blocks);
  for (const notes of relatedParts(relations, 'notesSlide')) await addNotes(archive, notes, page, blocks);
}

function addShapes(parent: XmlElement, page: number, blocks: BlockCollector): void {
  for (const shape of titlesFirst(childElements(parent))) {
    if (shape.name === 'grpSp') addShapes(shape, page, blocks);
    else if (shape.name === 'sp' || shape.name === 'cxnSp') addTextShape(shape, page, blocks);
    else if (shape.name === 'graphicFrame') addTables(shape, page, blocks);
    else if (shape.name === 'pic') blocks.add('paragraph', pictureText(shape), { page });
  }
}

/** The title is often drawn last; readers see it first. */
function titlesFirst(shapes: XmlElement[]): XmlElement[] {
  return [...shapes.filter(isTitle), ...shapes.filter((shape) => !isTitle(shape))];
}

function isTitle(shape: XmlElement): boolean {
  return shape.name === 'sp' && /^(title|ctrTitle)$/.test(placeholderType(shape));
}

function placeholderType(shape: XmlElement): string {
  return descendants(firstChild(shape, 'nvSpPr') ?? shape, 'ph')[0]?.attributes.type ?? '';
}

function addTextShape(shape: XmlElement, page: number, blocks: BlockCollector): void {
  const body = firstChild(shape, 'txBody');
  if (body === undefined) return;
  if (isTitle(shape)) {
    blocks.add('heading', paragraphTexts(body).join(' '), { level: 1, page });
    return;
  }
  // Body placeholders are lists by design; any other shape says one thing.
  const kind = /^(body|obj|)$/.test(placeholderType(shape)) && hasPlaceholder(shape) ? 'list_item' : 'paragraph';
  for (const text of paragraphTexts(body)) blocks.add(kind, text, { page });
}

function hasPlaceholder(shape: XmlElement): boolean {
  return descendants(firstChild(shape, 'nvSpPr') ?? shape, 'ph').length > 0;
}

function addTables(frame: XmlElement, page: number, blocks: BlockCollector): void {
  for (const table of descendants(frame, 'tbl')) {
    const rows = childElements(table, 'tr').map((row) =>
      childElements(row, 'tc').map((cell) => paragraphTexts(firstChild(cell, 'txBody')).join('\n')),
    );
    const hasHeader = firstChild(table, 'tblPr')?.attributes.firstRow === '1';
    blocks.addTable({ header: hasHeader ? (rows[0] ?? []) : [], rows: hasHeader ? rows.slice(1) : rows, page });
  }
}

function pictureText(picture: XmlElement): string {
  const properties = descendants(picture, 'cNvPr')[0]?.attributes;
  return properties?.descr ?? '';
}

async function addDiagram(archive: Archive, part: string, page: number, blocks: BlockCollector): Promise<void> {
  if (!archive.has(part)) return;
  for (const body of descendants(parseXml(await archive.read(part)), 't').filter(
    (t) => firstChild(t, 'p') !== undefined,
  )) {
    for (const text of paragraphTexts(body)) blocks.add('list_item', text, { page });
  }
}

/** A chart as the table it draws: a row a category, a column a series, from the values stored with the chart. */
async function addChart(archive: Archive, part: string, page: number, blocks: BlockCollector): Promise<void> {
  if (!archive.has(part)) return;
  const chart = parseXml(await archive.read(part));
  const caption = descendants(chart, 'title')
    .flatMap((title) => paragraphTexts(title))
    .join(' ');
  const series = descendants(chart, 'ser').map((ser) => ({
    name: pointValues(firstChild(ser, 'tx')).join(' '),
    categories: pointValues(firstChild(ser, 'cat') ?? firstChild(ser, 'xVal')),
    values: pointValues(firstChild(ser, 'val') ?? firstChild(ser, 'yVal')),
  }));
  const length = series.reduce((most, { values }) => Math.max(most, values.length), 0);
  const rows = Array.from({ length }, (_, row) => [
    series[0]?.categories[row] ?? '',
    ...series.map(({ values }) => values[row] ?? ''),
  ]);
  blocks.addTable({ header: ['', ...series.map(({ name }) => name)], rows, page, caption });
}

function pointValues(holder: XmlElement | undefined): string[] {
  if (holder === undefined) return [];
  return descendants(holder, 'pt').map((point) => textOf(firstChild(point, 'v')));
}

async function addNotes(archive: Archive, part: string, page: number, blocks: BlockCollector): Promise<void> {
  if (!archive.has(part)) return;
  const notes = resolveAlternatives(parseXml(await archive.read(part)));
  for (const shape of descendants(notes, 'sp')) {
    // The other placeholders repeat the slide's picture, number and date.
    if (placeholderType(shape) !== 'body') continue;
    for (const text of paragraphTexts(firstChild(shape, 'txBody'))) blocks.add('paragraph', text, { page });
  }
}

/** Texts of the DrawingML paragraphs below `body`, empty ones left out. */
function paragraphTexts(body: XmlElement | undefined): string[] {
  if (body === undefined) return [];
  return descendants(body, 'p')
    .map(runText)
    .filter((text) => text.trim() !== '');
}

function runText(element: XmlElement): string {
  return element.children
    .filter(isElement)
    .map((child) => {
      if (child.name === 't') return textOf(child);
      if (child.name === 'br' || child.name === 'tab') return ' ';
      return runText(child);
    })
    .join('');
}
