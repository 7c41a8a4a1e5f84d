import { withoutMarkers } from './citation-markers.ts';

/**
 * Model text as it may be rendered: Markdown or plain, without images, links or HTML. A model that follows instructions
 * hidden in a passage could otherwise leak the conversation through the address of an image or lead people to foreign
 * sites. Images and links become their text; addresses that are not in `allowedUrls` become "(link removed)"; what is left
 * of link and tag syntax is broken by a space. `sanitize(sanitize(x))` is `sanitize(x)`.
 */
export function sanitizeAnswer(text: string, allowedUrls: ReadonlySet<string> = new Set()): string {
  return breakSyntax(removeUrls(flattenLinks(text, allowedUrls), allowedUrls));
}

/** `sanitizeAnswer` for text that must not read as if it cited anything: without citation markers too. */
export function sanitizeUncited(text: string, allowedUrls?: ReadonlySet<string>): string {
  // A link may hide a marker, and a marker may stand in the middle of an address.
  const clean = sanitizeAnswer(withoutMarkers(text), allowedUrls);
  return clean === text ? text : sanitizeUncited(clean, allowedUrls);
}

/** Renderers undo escapes and character references before they look for addresses, so these must not hide any. */
function uncover(text: string): string {
  return text
    .replaceAll('\0', '')
    .replace(/\\(?=[/:.])/g, '')
    .replace(/&(?=#\d|#x|[a-z]{1,31}\d{0,2};)/gi, '& ');
}

const DESTINATION = String.raw`<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*`;
const TITLE = String.raw`"[^"]*"|'[^']*'|\([^()]*\)`;
const INLINE_LINK = new RegExp(String.raw`!?\[([^[\]]*)\]\(\s*(${DESTINATION})(?:\s+(?:${TITLE}))?\s*\)`, 'g');

function flattenLinks(text: string, allowedUrls: ReadonlySet<string>): string {
  // An image may be the text of a link, or keep the halves of an escape apart: what is outside is seen in the next round.
  const flat = uncover(text)
    .replace(/<br\s*\/?>/gi, ' ')
    .replace(INLINE_LINK, (link: string, label: string, target: string) => {
      if (/^\d+$/.test(label)) return `[${label}]`;
      const url = target.replace(/^<|>$/g, '');
      return !link.startsWith('!') && allowedUrls.has(url) ? `${label} (${url})` : label;
    });
  return flat === text ? text : flattenLinks(flat, allowedUrls);
}

const URL_SOURCE = String.raw`(?:(?:https?|ftp):\/\/|(?<![a-z0-9])www\.)[\x21-\x3b\x3d\x3f-\x7e]*`;
const AUTOLINK_OR_URL = new RegExp(String.raw`<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)>|${URL_SOURCE}`, 'gi');
const TRAILING_PUNCTUATION = new Set('.,;:!?\'")]*_~`');

function removeUrls(text: string, allowedUrls: ReadonlySet<string>): string {
  return text.replace(AUTOLINK_OR_URL, (found: string, autolink?: string) => {
    if (autolink !== undefined) return allowedUrls.has(autolink) ? autolink : '(link removed)';
    if (allowedUrls.has(found)) return found;
    const url = withoutTrailingPunctuation(found);
    return (allowedUrls.has(url) ? url : '(link removed)') + found.slice(url.length);
  });
}

function withoutTrailingPunctuation(url: string): string {
  let end = url.length;
  while (TRAILING_PUNCTUATION.has(url[end - 1]!)) end--;
  return url.slice(0, end);
}

/** Neither a link, a definition of one nor a tag allows a space here. */
export function breakSyntax(text: string): string {
  return text.replace(/\](?=[(:])/g, '] ').replace(/<(?=[a-z/!?])/gi, '< ');
}
