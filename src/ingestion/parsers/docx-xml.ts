import type { SaxesTagNS } from 'saxes';
import { createStrictSaxes, xmlDecoder } from './xml.ts';

const WORD_NAMESPACES = new Set([
  'http://schemas.openxmlformats.org/wordprocessingml/2006/main',
  'http://purl.oclc.org/ooxml/wordprocessingml/main',
]);

/** An element being copied. */
interface Frame {
  local: string;
  isInDrawing: boolean;
  /** Its content so far. */
  xml: string;
  /** Text of the `t` elements in it, for equations. */
  text: string;
  /** Text boxes taken out of a drawing, on their way to stand behind it. */
  shapes: string;
  choice: string;
  fallback: string;
}

/**
 * Rewrites an XML part of a Word file so that mammoth drops nothing of it: it reads the fallback of `mc:AlternateContent`
 * alone, looks for text boxes in VML alone, and knows no equations. Afterwards an alternative without a usable fallback is
 * its choice, text boxes of drawings stand behind the drawing, and an equation is a run with its characters in order.
 *
 * Throws `document_corrupt` as `parseXml` does, which also protects mammoth's recursion from bottomless nesting.
 */
export function rewriteWordXml(bytes: Uint8Array): string {
  const top = newFrame('', false);
  const frames: Frame[] = [top];
  let wordPrefix = '';
  const parser = createStrictSaxes({
    open(tag) {
      if (WORD_NAMESPACES.has(tag.uri)) wordPrefix = tag.prefix === '' ? '' : `${tag.prefix}:`;
      const parent = frames.at(-1)!;
      frames.push(newFrame(tag.local, parent.isInDrawing || parent.local === 'drawing'));
    },
    text(text) {
      const frame = frames.at(-1)!;
      frame.xml += escapeText(text);
      if (frame.local === 't') frame.text += text;
    },
    close(tag) {
      const frame = frames.pop()!;
      closeInto(frames.at(-1)!, frame, tag, wordPrefix);
    },
  });
  parser.write(xmlDecoder(bytes).decode(bytes)).close();
  return top.xml;
}

function closeInto(parent: Frame, frame: Frame, tag: SaxesTagNS, wordPrefix: string): void {
  parent.text += equationText(tag.local, frame.text);
  parent.shapes += frame.shapes;
  switch (tag.local) {
    case 'txbxContent':
      // Moved, not copied: shapes nest, and copies would double at each level.
      if (frame.isInDrawing) parent.shapes += elementXml(tag, frame.xml);
      else parent.xml += elementXml(tag, frame.xml);
      return;
    case 'oMath':
      parent.xml += `<${wordPrefix}r><${wordPrefix}t xml:space="preserve">${escapeText(frame.text)}</${wordPrefix}t></${wordPrefix}r>`;
      return;
    case 'Choice':
      // The first choice is the one that a current program takes.
      if (parent.choice === '') parent.choice = frame.xml;
      return;
    case 'Fallback':
      parent.fallback = frame.xml;
      return;
    case 'AlternateContent':
      parent.xml += isPoorer(frame.fallback, frame.choice) ? frame.choice : frame.fallback;
      return;
    case 'drawing':
      parent.xml += elementXml(tag, frame.xml) + frame.shapes;
      parent.shapes = '';
      return;
    default:
      parent.xml += elementXml(tag, frame.xml);
  }
}

/** Text of a part of an equation; `sup`, `sub`, `num` and `den` are names of equations only. */
function equationText(local: string, text: string): string {
  if (text === '') return '';
  if (local === 'sup') return `^${bracketed(text)}`;
  if (local === 'sub') return `_${bracketed(text)}`;
  if (local === 'num') return bracketed(text);
  return local === 'den' ? `/${bracketed(text)}` : text;
}

function bracketed(text: string): string {
  return /^[\p{L}\p{N}]+$/u.test(text) ? text : `(${text})`;
}

function isPoorer(fallback: string, choice: string): boolean {
  return fallback === '' || (choice.includes('txbxContent') && !fallback.includes('txbxContent'));
}

function newFrame(local: string, isInDrawing: boolean): Frame {
  return { local, isInDrawing, xml: '', text: '', shapes: '', choice: '', fallback: '' };
}

function elementXml(tag: SaxesTagNS, inner: string): string {
  const attributes = Object.values(tag.attributes)
    .map(({ name, value }) => ` ${name}="${escapeText(value).replaceAll('"', '&quot;')}"`)
    .join('');
  return inner === '' ? `<${tag.name}${attributes}/>` : `<${tag.name}${attributes}>${inner}</${tag.name}>`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
