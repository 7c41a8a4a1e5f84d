import { dirname, join } from 'node:path/posix';
import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { addHtmlBlocks } from './html-blocks.ts';
import { parseDom, parseXhtml } from './html-dom.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { childElements, descendants, firstChild, parseXml, textOf, type XmlElement, xmlDecoder } from './xml.ts';

/** A chapter beyond this would need hundreds of megabytes as a DOM; books are cut into far smaller ones. */
const MAX_CHAPTER_BYTES = 5 * 1024 * 1024;

/** Scrambled fonts are no protection of the text (EPUB 3.3 §4.3 and Adobe's older way). */
const FONT_SCRAMBLING = new Set(['http://www.idpf.org/2008/embedding', 'http://ns.adobe.com/pdf/enc#RC']);

/**
 * EPUB 2 and 3: authors and description of the book, then its chapters in reading order; the table of contents is left
 * out. Throws `document_encrypted` for a book with copy protection.
 */
export async function parseEpub(input: ParseInput): Promise<ParsedDocument> {
  return withArchive(input.path, input.limits, async (archive) => {
    if (await isProtected(archive)) throw new AppError('document_encrypted');
    const packagePath = await packageDocument(archive);
    const book = parseXml(await archive.read(packagePath));
    const blocks = collectBlocks(input.limits);
    const metadata = firstChild(book, 'metadata');
    if (metadata !== undefined) addMetadata(metadata, blocks);
    for (const part of chaptersInOrder(book, packagePath)) await addChapter(archive, part, blocks);
    return blocks.finish({ title: metadata === undefined ? null : textOf(descendants(metadata, 'title')[0]) });
  });
}

async function packageDocument(archive: Archive): Promise<string> {
  const container = parseXml(await archive.read('META-INF/container.xml'));
  const path = descendants(container, 'rootfile')[0]?.attributes['full-path'];
  if (path === undefined) throw new AppError('document_corrupt', 'The book names no package document.');
  return path;
}

async function isProtected(archive: Archive): Promise<boolean> {
  const name = 'META-INF/encryption.xml';
  if (!archive.has(name)) return false;
  const methods = descendants(parseXml(await archive.read(name)), 'EncryptedData').flatMap((data) =>
    childElements(data, 'EncryptionMethod'),
  );
  return methods.some((method) => !FONT_SCRAMBLING.has(method.attributes.Algorithm ?? ''));
}

function addMetadata(metadata: XmlElement, blocks: BlockCollector): void {
  const authors = descendants(metadata, 'creator').map((creator) => textOf(creator).trim());
  if (authors.length > 0) blocks.add('paragraph', `Authors: ${authors.join(', ')}`);
  for (const description of descendants(metadata, 'description')) {
    // Publishers put HTML into it.
    addHtmlBlocks(parseDom(textOf(description)).body, blocks);
  }
}

function chaptersInOrder(book: XmlElement, packagePath: string): string[] {
  const items = new Map(descendants(book, 'item').map(({ attributes }) => [attributes.id, attributes]));
  return descendants(book, 'itemref')
    .map((reference) => items.get(reference.attributes.idref))
    .filter((item) => item !== undefined)
    .filter((item) => /html/.test(item['media-type'] ?? '') && !/\bnav\b/.test(item.properties ?? ''))
    .map((item) => join(dirname(packagePath), decodePath(item.href ?? '')));
}

async function addChapter(archive: Archive, part: string, blocks: BlockCollector): Promise<void> {
  if (!archive.has(part)) {
    blocks.warn('missing_chapters');
    return;
  }
  const bytes = await archive.read(part);
  if (bytes.byteLength > MAX_CHAPTER_BYTES) {
    throw new AppError('document_too_large', `A chapter of the book has more than ${MAX_CHAPTER_BYTES} bytes.`);
  }
  addHtmlBlocks(parseXhtml(xmlDecoder(bytes).decode(bytes)).body, blocks);
}

/** Paths in the package document are URLs. A percent sign that begins no escape is taken as written. */
function decodePath(href: string): string {
  const path = href.split('#')[0] ?? '';
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
}
