import type { ParsedDocument } from '../parsers/parsed-document.ts';

/**
 * Where personal data is taken out, before anything is stored. There is no policy to apply as yet, so the document passes
 * as it is; the place is fixed because redaction that comes after storage, index or log would come too late.
 */
export function redactDocument(document: ParsedDocument): ParsedDocument {
  return document;
}
