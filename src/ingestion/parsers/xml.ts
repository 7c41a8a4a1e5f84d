import { SaxesParser, type SaxesTagNS } from 'saxes';
import { AppError } from '../../errors/app-error.ts';

/** An element by local names: prefixes vary between producers, and no two meanings of one local name meet in our formats. */
export interface XmlElement {
  name: string;
  /** By local name; those of the relationships namespace as `r:id`, since elements carry a plain `id` beside them. */
  attributes: Record<string, string>;
  children: XmlNode[];
}

export type XmlNode = XmlElement | string;

export interface XmlHandlers {
  open?: (name: string, attributes: Record<string, string>) => void;
  text?: (text: string) => void;
  close?: (name: string) => void;
}

/**
 * Real documents nest some tens of levels. The cap keeps recursion over the tree, ours and that of other packages, within
 * the stack.
 */
const MAX_DEPTH = 256;

/** The root of a whole XML part. Throws `document_corrupt` for malformed XML, any DOCTYPE, or nesting beyond the cap. */
export function parseXml(bytes: Uint8Array): XmlElement {
  const top: XmlElement = { name: '', attributes: {}, children: [] };
  const open: XmlElement[] = [top];
  const reader = createXmlReader({
    open(name, attributes) {
      const element = { name, attributes, children: [] };
      open.at(-1)!.children.push(element);
      open.push(element);
    },
    text: (text) => open.at(-1)!.children.push(text),
    close: () => open.pop(),
  });
  reader.write(bytes);
  reader.end();
  return top.children.find((node) => typeof node !== 'string')!;
}

/** Reads XML as it streams in, for parts too large for a tree. Throws as `parseXml` does. */
export async function readXml(chunks: AsyncIterable<Uint8Array>, handlers: XmlHandlers): Promise<void> {
  const reader = createXmlReader(handlers);
  for await (const chunk of chunks) reader.write(chunk);
  reader.end();
}

export interface TagHandlers {
  open: (tag: SaxesTagNS) => void;
  text: (text: string) => void;
  close: (tag: SaxesTagNS) => void;
}

/**
 * A namespace-aware parser that refuses what no office file has: a DOCTYPE (and with it every entity but the five of XML)
 * and bottomless nesting. Both are `document_corrupt`, as is malformed XML.
 */
export function createStrictSaxes(handlers: TagHandlers): SaxesParser<{ xmlns: true; position: false }> {
  const parser = new SaxesParser({ xmlns: true, position: false });
  let depth = 0;
  parser.on('error', (error) => {
    throw new AppError('document_corrupt', 'The document contains malformed XML.', { cause: error });
  });
  parser.on('doctype', () => {
    throw new AppError('document_corrupt', 'The document contains an XML document type declaration.');
  });
  parser.on('opentag', (tag) => {
    depth++;
    if (depth > MAX_DEPTH) throw new AppError('document_corrupt', `The XML is nested deeper than ${MAX_DEPTH} levels.`);
    handlers.open(tag);
  });
  parser.on('closetag', (tag) => {
    depth--;
    handlers.close(tag);
  });
  parser.on('text', handlers.text);
  parser.on('cdata', handlers.text);
  return parser;
}

export function isElement(node: XmlNode): node is XmlElement {
  return typeof node !== 'string';
}

export function childElements(element: XmlElement, name?: string): XmlElement[] {
  return element.children.filter(isElement).filter((child) => name === undefined || child.name === name);
}

export function firstChild(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child): child is XmlElement => isElement(child) && child.name === name);
}

/** All elements of a name below `element`, in document order. */
export function descendants(element: XmlElement, name: string): XmlElement[] {
  return element.children
    .filter(isElement)
    .flatMap((child) => (child.name === name ? [child, ...descendants(child, name)] : descendants(child, name)));
}

export function textOf(node: XmlNode | undefined): string {
  if (node === undefined) return '';
  return isElement(node) ? node.children.map(textOf).join('') : node;
}

/** Decoder for an XML part from its first bytes: OOXML and ODF allow UTF-8 and UTF-16, the latter with a mark. */
export function xmlDecoder(start: Uint8Array): InstanceType<typeof TextDecoder> {
  if (start[0] === 0xff && start[1] === 0xfe) return new TextDecoder('utf-16le');
  if (start[0] === 0xfe && start[1] === 0xff) return new TextDecoder('utf-16be');
  return new TextDecoder('utf-8');
}

function createXmlReader(handlers: XmlHandlers): { write(bytes: Uint8Array): void; end(): void } {
  const parser = createStrictSaxes({
    open: (tag) => handlers.open?.(tag.local, attributesOf(tag)),
    text: (text) => handlers.text?.(text),
    close: (tag) => handlers.close?.(tag.local),
  });
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  return {
    write(bytes) {
      decoder ??= xmlDecoder(bytes);
      parser.write(decoder.decode(bytes, { stream: true }));
    },
    end() {
      parser.write(decoder?.decode() ?? '');
      parser.close();
    },
  };
}

function attributesOf(tag: SaxesTagNS): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const { prefix, local, uri, value } of Object.values(tag.attributes)) {
    if (prefix === 'xmlns' || local === 'xmlns') continue;
    attributes[uri.endsWith('/relationships') ? `r:${local}` : local] = value;
  }
  return attributes;
}
