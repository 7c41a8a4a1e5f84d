import { Readability } from '@mozilla/readability';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { cleanProse } from './clean-text.ts';
import { CHARSET_PRESCAN_BYTES, declaredCharset, readStart, readTextFile } from './decode.ts';
import { addHtmlBlocks } from './html-blocks.ts';
import { type DomDocument, type DomElement, nodesBelow, parseDom, textBelow } from './html-dom.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';

/** Above this the DOM needs hundreds of megabytes (1 MB of HTML took 110 MB); pages that people read are far below. */
const MAX_HTML_BYTES = 5 * 1024 * 1024;

/** Readability recurses; a page nested deeper than this is not searched for its article. */
const MAX_READABLE_DEPTH = 300;

/** A finding of readability with a smaller share of the text of the page is mistrusted. */
const MIN_ARTICLE_SHARE = 0.15;

/**
 * A web page: its article without navigation where one can be made out, else its body (warning `no_main_content_found`).
 * Nothing is fetched and no script runs. Throws `document_too_large` above 5 MB.
 */
export async function parseHtmlFile(input: ParseInput): Promise<ParsedDocument> {
  const decoded = await readTextFile(input.path, {
    declared: input.charset ?? declaredCharset(await readStart(input.path, CHARSET_PRESCAN_BYTES)),
    maxBytes: MAX_HTML_BYTES,
  });
  const blocks = collectBlocks(input.limits);
  if (decoded.isLossy) blocks.warn('undecodable_bytes_replaced');
  const title = pageTitle(parseDom(decoded.text));
  const article = findArticle(decoded.text);
  // Where readability finds no article it may answer with all of the body.
  if (article !== null) addHtmlBlocks(article, blocks, { skip: isNavigation });
  if (article === null || blocks.isEmpty) addWholeBody(decoded.text, blocks);
  return blocks.finish({ title });
}

/** Reads the page anew, because readability takes its document apart. */
function findArticle(html: string): DomElement | null {
  const document = parseDom(html);
  if (isNestedTooDeep(document)) return null;
  const pageChars = visibleChars(document.body);
  const content = readableContent(document);
  return content !== null && visibleChars(content) >= pageChars * MIN_ARTICLE_SHARE ? content : null;
}

function readableContent(document: DomDocument): DomElement | null {
  try {
    const article = new Readability<DomElement>(document as never, { serializer: (root) => root as never }).parse();
    return article?.content ?? null;
  } catch (error) {
    // It passes all children of an element as arguments of one call, and there may be a hundred thousand of them.
    if (error instanceof RangeError && error.message.includes('call stack')) return null;
    throw error;
  }
}

function addWholeBody(html: string, blocks: BlockCollector): void {
  blocks.warn('no_main_content_found');
  addHtmlBlocks(parseDom(html).body, blocks, { skip: isNavigation });
}

function isNavigation(element: DomElement): boolean {
  return element.localName === 'nav' || element.getAttribute('role') === 'navigation';
}

function pageTitle(document: DomDocument): string | null {
  const title = document.querySelector('head > title') ?? document.querySelector('title');
  return title === null ? null : textBelow(title);
}

function isNestedTooDeep(document: DomDocument): boolean {
  for (const { depth } of nodesBelow(document.documentElement)) if (depth > MAX_READABLE_DEPTH) return true;
  return false;
}

function visibleChars(root: DomElement): number {
  let chars = cleanProse(textBelow(root)).length;
  for (const element of root.querySelectorAll('script, style, noscript, template')) {
    chars -= cleanProse(textBelow(element)).length;
  }
  return chars;
}
