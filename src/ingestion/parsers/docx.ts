import mammoth from 'mammoth';
import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { collectBlocks } from './block-collector.ts';
import { rewriteWordXml } from './docx-xml.ts';
import { addHtmlBlocks } from './html-blocks.ts';
import { parseDom } from './html-dom.ts';
import { mainPart, packageTitle, readRelations, relatedParts } from './office-package.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';
import { descendants, parseXml, textOf } from './xml.ts';

/** What mammoth asks of an opened file. Giving it ours keeps its own unzipping, which has no limits, away from uploads. */
interface MammothFile {
  exists(name: string): boolean;
  read(name: string, encoding?: string): Promise<string | Uint8Array>;
}

const STYLE_MAP = ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => p:fresh"];

/**
 * Word (.docx): body, text boxes, tables, foot- and endnotes through mammoth, page headers and footers once each.
 * Review comments are left out with the warning `comments_left_out`.
 */
export async function parseDocx(input: ParseInput): Promise<ParsedDocument> {
  return withArchive(input.path, input.limits, async (archive) => {
    const main = await mainPart(archive);
    if (main === null) throw new AppError('document_corrupt', 'The document has no main part.');
    const blocks = collectBlocks(input.limits);
    const relations = await readRelations(archive, main);
    for (const text of await marginTexts(archive, relatedParts(relations, 'header'))) blocks.add('paragraph', text);
    addHtmlBlocks(parseDom(await convertToHtml(archive)).body, blocks, { skip: isBackReference });
    for (const text of await marginTexts(archive, relatedParts(relations, 'footer'))) blocks.add('paragraph', text);
    if (relatedParts(relations, 'comments').some((part) => archive.has(part))) blocks.warn('comments_left_out');
    return blocks.finish({ title: await packageTitle(archive) });
  });
}

async function convertToHtml(archive: Archive): Promise<string> {
  const file: MammothFile = {
    exists: (name) => archive.has(name),
    read: (name, encoding) => readForMammoth(archive, name, encoding),
  };
  try {
    const result = await mammoth.convertToHtml({ file } as unknown as { path: string }, {
      styleMap: STYLE_MAP,
      includeEmbeddedStyleMap: false,
      externalFileAccess: false,
      // Only the alternative text is wanted, and pictures would be most of the memory.
      convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
    });
    return result.value;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('document_corrupt', 'The document could not be read as a Word file.', { cause: error });
  }
}

async function readForMammoth(archive: Archive, name: string, encoding?: string): Promise<string | Uint8Array> {
  const bytes = await archive.read(name);
  if (encoding === undefined) return bytes;
  return encoding === 'base64' ? bytes.toString('base64') : rewriteWordXml(bytes);
}

/** Texts of page headers or footers, each once: sections repeat them. */
async function marginTexts(archive: Archive, parts: string[]): Promise<Set<string>> {
  const texts = new Set<string>();
  for (const part of parts.filter((name) => archive.has(name))) {
    for (const paragraph of descendants(parseXml(await archive.read(part)), 'p')) {
      const text = descendants(paragraph, 't').map(textOf).join('').trim();
      // A bare page number is what the page shows, not what the document says.
      if (!/^\d*$/.test(text)) texts.add(text);
    }
  }
  return texts;
}

function isBackReference(element: { localName: string; getAttribute(name: string): string | null }): boolean {
  return element.localName === 'a' && /^#(foot|end)note-ref-/.test(element.getAttribute('href') ?? '');
}
