import type { Nodes, Root, RootContent, Table } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { frontmatterFromMarkdown } from 'mdast-util-frontmatter';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { frontmatter } from 'micromark-extension-frontmatter';
import { gfm } from 'micromark-extension-gfm';
import { parse as parseYaml, YAMLError } from 'yaml';
import { type BlockCollector, collectBlocks } from './block-collector.ts';
import { cleanLines } from './clean-text.ts';
import { readTextFile } from './decode.ts';
import { parseDom, textBelow } from './html-dom.ts';
import { splitMarkdown } from './markdown-pieces.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';

/** The parser needs some seconds for a megabyte; text beyond this is a dump, not a document. */
const MAX_MARKDOWN_BYTES = 5 * 1024 * 1024;

/** Deeper nesting is taken as the text it is. */
const MAX_DEPTH = 100;

type TextKind = 'paragraph' | 'list_item' | 'quote';

/** Markdown (CommonMark with GitHub's extensions and front matter). HTML in it counts as its text. */
export async function parseMarkdown(input: ParseInput): Promise<ParsedDocument> {
  const decoded = await readTextFile(input.path, { declared: input.charset, maxBytes: MAX_MARKDOWN_BYTES });
  const blocks = collectBlocks(input.limits);
  if (decoded.isLossy) blocks.warn('undecodable_bytes_replaced');
  const title = addMarkdown(decoded.text, blocks);
  return blocks.finish({ title });
}

/** Adds the blocks of a Markdown text; answers the title that its front matter gives, or null. */
export function addMarkdown(text: string, blocks: BlockCollector): string | null {
  let title: string | null = null;
  for (const piece of splitMarkdown(cleanLines(text))) {
    for (const node of parsePiece(piece).children) {
      if (node.type === 'yaml') title = frontMatterTitle(node.value);
      addNode(node, 'paragraph', 0, blocks);
    }
  }
  return title;
}

function parsePiece(piece: string): Root {
  return fromMarkdown(piece, {
    extensions: [gfm(), frontmatter(['yaml', 'toml'])],
    mdastExtensions: [gfmFromMarkdown(), frontmatterFromMarkdown(['yaml', 'toml'])],
  });
}

function addNode(node: RootContent, kind: TextKind, depth: number, blocks: BlockCollector): void {
  if (depth > MAX_DEPTH) {
    blocks.addLines(kind, inlineText(node));
    return;
  }
  switch (node.type) {
    case 'heading':
      blocks.add('heading', inlineText(node), { level: node.depth });
      return;
    case 'paragraph':
      blocks.addLines(kind, inlineText(node));
      return;
    case 'code':
      blocks.add('code', node.value);
      return;
    case 'yaml':
      blocks.addLines('paragraph', node.value);
      return;
    case 'html':
      blocks.add(kind, htmlText(node.value));
      return;
    case 'table':
      addTable(node, blocks);
      return;
    case 'blockquote':
      addChildren(node.children, 'quote', depth, blocks);
      return;
    case 'listItem':
      addChildren(node.children, 'list_item', depth, blocks);
      return;
    case 'list':
    case 'footnoteDefinition':
      addChildren(node.children, kind, depth, blocks);
      return;
    default:
      blocks.addLines(kind, inlineText(node));
  }
}

function addChildren(nodes: RootContent[], kind: TextKind, depth: number, blocks: BlockCollector): void {
  for (const node of nodes) addNode(node, kind, depth + 1, blocks);
}

function addTable(table: Table, blocks: BlockCollector): void {
  const [header = [], ...rows] = table.children.map((row) => row.children.map(inlineText));
  blocks.addTable({ header, rows });
}

/** Text of a node without marks, by a stack of its own: nesting is as deep as its author likes. */
function inlineText(root: Nodes): string {
  let text = '';
  const open: Nodes[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.type === 'break') text += '\n';
    else if (node.type === 'html') text += /^<br\b/i.test(node.value) ? '\n' : '';
    else if ('value' in node) text += node.value;
    else if ('alt' in node) text += node.alt ?? '';
    else if (node.type === 'footnoteReference') text += `[${node.label ?? node.identifier}]`;
    else if ('children' in node) for (const child of node.children.toReversed()) open.push(child);
  }
  return text;
}

function htmlText(html: string): string {
  return textBelow(parseDom(html).body);
}

function frontMatterTitle(yaml: string): string | null {
  try {
    const values: unknown = parseYaml(yaml, { logLevel: 'silent' });
    const title = typeof values === 'object' && values !== null && 'title' in values ? values.title : null;
    return typeof title === 'string' ? title : null;
  } catch (error) {
    // Front matter that is no YAML is still text of the document.
    if (error instanceof YAMLError || error instanceof ReferenceError) return null;
    throw error;
  }
}
