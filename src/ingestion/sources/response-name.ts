/** What the headers and the URL of a response say about its content. */
export interface ResponseName {
  /** Lower-case type without parameters, as `text/html`; null where the server named none. */
  mediaType: string | null;
  /** Lower-case, as the server wrote it; null where it named none. */
  charset: string | null;
  /** A bare name without folders or control characters, at most 255 characters; null where there is none. */
  fileName: string | null;
}

const MAX_FILE_NAME_CHARS = 255;

export function describeResponse(
  url: URL,
  contentType: string | null,
  contentDisposition: string | null,
): ResponseName {
  return {
    mediaType: mediaTypeOf(contentType),
    charset: charsetOf(contentType),
    fileName: bareName(dispositionName(contentDisposition)) ?? bareName(lastSegment(url)),
  };
}

function mediaTypeOf(contentType: string | null): string | null {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return type !== undefined && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type) ? type : null;
}

function charsetOf(contentType: string | null): string | null {
  const match = contentType?.match(/;\s*charset\s*=\s*"?([\w.:+-]{1,40})/i);
  return match?.[1]?.toLowerCase() ?? null;
}

/** RFC 6266 §4.3: `filename*` (RFC 8187, percent-encoded with its charset) wins over `filename`. */
function dispositionName(header: string | null): string | null {
  const extended = header?.match(/;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]+)/i)?.[1];
  if (extended !== undefined) return percentDecoded(extended);
  const plain = header?.match(/;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i);
  return plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2] ?? null;
}

function lastSegment(url: URL): string | null {
  return percentDecoded(url.pathname.slice(url.pathname.lastIndexOf('/') + 1));
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray percent sign makes a URIError: such a name says nothing that can be trusted.
    return null;
  }
}

/** Names come from strangers: nothing that walks folders or breaks a log line or a header survives. */
function bareName(name: string | null): string | null {
  if (name === null) return null;
  const last = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  const clean = last.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim();
  if (clean === '' || clean === '.' || clean === '..') return null;
  return clean.slice(-MAX_FILE_NAME_CHARS).toWellFormed();
}
