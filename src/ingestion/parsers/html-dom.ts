import { parseHTML } from 'linkedom';

/** The few members of the DOM that the parsers use; the DOM library of TypeScript stays out of a server's types. */
export interface DomNode {
  readonly nodeType: number;
  readonly firstChild: DomNode | null;
  readonly nextSibling: DomNode | null;
  readonly parentNode: DomNode | null;
  readonly nodeValue: string | null;
}

export interface DomElement extends DomNode {
  readonly localName: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): DomElement | null;
  querySelectorAll(selector: string): Iterable<DomElement>;
  appendChild(node: DomNode): DomNode;
}

export interface DomDocument extends DomElement {
  readonly documentElement: DomElement;
  readonly head: DomElement;
  readonly body: DomElement;
  createElement(name: string): DomElement;
}

const ELEMENT_NODE = 1;
const TEXT_NODE = 3;
const CDATA_NODE = 4;

const VOID_ELEMENTS = new Set('area base br col embed hr img input link meta source track wbr'.split(' '));

/** A document with `html`, `head` and `body`, whatever of them the text had. Runs no scripts and fetches nothing. */
export function parseDom(html: string): DomDocument {
  const hasRoot = /<html[\s>]/i.test(html);
  const source = hasRoot ? html : `<!DOCTYPE html><html>${html}</html>`;
  const document = (parseHTML(source) as unknown as { document: DomDocument }).document;
  return withBody(document);
}

/**
 * A document from XHTML. The parser knows HTML only, where `<title/>` opens an element that swallows the rest, so empty
 * elements are written out first.
 */
export function parseXhtml(xhtml: string): DomDocument {
  return parseDom(
    xhtml.replace(/<([a-z][\w:-]*)((?:\s[^<>]*)?)\/>/gi, (whole, name: string, attributes: string) => {
      return VOID_ELEMENTS.has(name.toLowerCase()) ? whole : `<${name}${attributes}></${name}>`;
    }),
  );
}

export function isElementNode(node: DomNode): node is DomElement {
  return node.nodeType === ELEMENT_NODE;
}

export function isTextNode(node: DomNode): boolean {
  return node.nodeType === TEXT_NODE || node.nodeType === CDATA_NODE;
}

/** The nodes below `root` in document order, without recursion: depth is the attacker's choice. */
export function* nodesBelow(root: DomNode): Generator<{ node: DomNode; depth: number }, void, undefined> {
  let node = root.firstChild;
  let depth = 1;
  while (node !== null) {
    yield { node, depth };
    if (node.firstChild !== null) {
      node = node.firstChild;
      depth++;
      continue;
    }
    while (node !== null && node !== root && node.nextSibling === null) {
      node = node.parentNode;
      depth--;
    }
    if (node === null || node === root) return;
    node = node.nextSibling;
  }
}

export function textBelow(root: DomNode): string {
  let text = '';
  for (const { node } of nodesBelow(root)) if (isTextNode(node)) text += node.nodeValue ?? '';
  return text;
}

/** HTML lets authors leave `body` out, and the parser does not put it in; readability needs it. */
function withBody(document: DomDocument): DomDocument {
  const root = document.documentElement;
  if (root.querySelector('body, frameset') !== null) return document;
  const body = document.createElement('body');
  let child = root.firstChild;
  while (child !== null) {
    const next: DomNode | null = child.nextSibling;
    if (!isElementNode(child) || child.localName !== 'head') body.appendChild(child);
    child = next;
  }
  root.appendChild(body);
  return document;
}
