import { AppError } from '../../errors/app-error.ts';
import { isSupportedMediaType, type MediaType } from './media-types.ts';
import type { Parser } from './parsed-document.ts';

/** Parsers are loaded when first needed: each format brings its own packages, and a child process parses one file. */
const PARSERS: Record<MediaType, () => Promise<Parser>> = {
  'application/pdf': async () => (await import('./pdf.ts')).parsePdf,
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': async () =>
    (await import('./docx.ts')).parseDocx,
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': async () =>
    (await import('./pptx.ts')).parsePptx,
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': async () =>
    (await import('./xlsx.ts')).parseXlsx,
  'application/vnd.oasis.opendocument.text': loadOpenDocument,
  'application/vnd.oasis.opendocument.spreadsheet': loadOpenDocument,
  'application/vnd.oasis.opendocument.presentation': loadOpenDocument,
  'application/epub+zip': async () => (await import('./epub.ts')).parseEpub,
  'text/html': async () => (await import('./html.ts')).parseHtmlFile,
  'text/markdown': async () => (await import('./markdown.ts')).parseMarkdown,
  'text/csv': loadCsv,
  'text/tab-separated-values': loadCsv,
  'application/json': loadJson,
  'application/x-ndjson': loadJson,
  'application/x-ipynb+json': async () => (await import('./notebook.ts')).parseNotebook,
  'text/plain': async () => (await import('./plain-text.ts')).parsePlainText,
};

/** The parser of a media type as `detectMediaType` names it. Throws `unsupported_media_type` for any other. */
export async function loadParser(mediaType: string): Promise<Parser> {
  if (!isSupportedMediaType(mediaType)) {
    throw new AppError('unsupported_media_type', `No parser reads ${mediaType}.`);
  }
  return PARSERS[mediaType]();
}

async function loadOpenDocument(): Promise<Parser> {
  return (await import('./odt.ts')).parseOpenDocument;
}

async function loadCsv(): Promise<Parser> {
  return (await import('./csv.ts')).parseCsv;
}

async function loadJson(): Promise<Parser> {
  return (await import('./json.ts')).parseJson;
}
