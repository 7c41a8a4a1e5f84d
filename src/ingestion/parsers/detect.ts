import { stat } from 'node:fs/promises';
import { AppError } from '../../errors/app-error.ts';
import { type Archive, withArchive } from './archive.ts';
import { sniffCsvDialect } from './csv-dialect.ts';
import { decodePrefix, readStart } from './decode.ts';
import { readJson } from './json-reader.ts';
import { type MediaType, mediaTypeOfName } from './media-types.ts';
import { isOleFile, readOleNames } from './ole.ts';
import { descendants, parseXml } from './xml.ts';

const PREFIX_BYTES = 64 * 1024;

/** The PDF header may follow other bytes within this distance (ISO 32000-1, annex H.3). */
const PDF_HEADER_BYTES = 1024;

/** Types in a zip's `mimetype` entry. */
const MIMETYPE_ENTRIES: readonly MediaType[] = [
  'application/epub+zip',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
];

/** Content types of the main part of an Office package, templates and macro-enabled files included. */
const OFFICE_MAIN_PARTS: readonly [RegExp, MediaType][] = [
  [
    /(wordprocessingml|ms-word)\b.*main\+xml$/,
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ],
  [
    /(presentationml|ms-powerpoint)\b.*main\+xml$/,
    'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  ],
  [/(spreadsheetml|ms-excel)\b.*main\+xml$/, 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
];

/** Text formats that are no text to read. */
const UNSUPPORTED_TEXT: readonly [RegExp, string][] = [
  [/^\{\\rtf/, 'RTF'],
  [/^%!PS/, 'PostScript'],
  [/^(?:[\w-]+:.*\n(?:[ \t].*\n)*)*?mime-version:/i, 'E-mail'],
];

/**
 * The media type of a file by its content; the name only chooses between CSV, TSV, Markdown and plain text, which content
 * cannot always tell apart. The answer is one of `MEDIA_TYPES`.
 *
 * Throws `empty_file` for no bytes or only white space, `unsupported_media_type` for what no parser reads,
 * `document_encrypted` for Office files with a password, `document_corrupt` for a damaged zip archive.
 */
export async function detectMediaType(path: string, fileName: string | null): Promise<MediaType> {
  const { size } = await stat(path);
  if (size === 0) throw new AppError('empty_file');
  const start = await readStart(path, Math.min(size, PREFIX_BYTES));
  if (isOleFile(start)) return refuseOleFile(path);
  if (isZipFile(start)) return withArchive(path, { maxExpandedBytes: 1024 * 1024 }, detectInArchive);
  const isWhole = start.byteLength === size;
  const text = decodePrefix(start, isWhole);
  if (isPdf(start, text)) return 'application/pdf';
  if (text === null) throw unsupported('The file is neither text nor in a supported format.');
  if (isWhole && text.trim() === '') throw new AppError('empty_file');
  return detectText(text.trimStart(), isWhole, mediaTypeOfName(fileName));
}

function isZipFile(start: Buffer): boolean {
  return /^504b(0304|0506)/.test(start.toString('hex', 0, 4));
}

function isPdf(start: Buffer, text: string | null): boolean {
  const at = start.subarray(0, PDF_HEADER_BYTES).indexOf('%PDF-');
  // A text that only speaks of PDF has the header, too.
  return at !== -1 && (text === null || start.toString('latin1', 0, at).trim() === '');
}

async function refuseOleFile(path: string): Promise<never> {
  const names = await readOleNames(path);
  if (names.includes('EncryptedPackage')) throw new AppError('document_encrypted');
  throw unsupported('Old Office formats and Outlook messages are not supported; save as .docx, .pptx, .xlsx or PDF.');
}

async function detectInArchive(archive: Archive): Promise<MediaType> {
  if (archive.has('mimetype')) {
    const declared = (await archive.read('mimetype')).toString('latin1').trim();
    const type = MIMETYPE_ENTRIES.find((known) => declared === known || declared === `${known}-template`);
    if (type !== undefined) return type;
  }
  if (archive.has('META-INF/container.xml') && archive.names.some((name) => name.endsWith('.opf'))) {
    return 'application/epub+zip';
  }
  if (archive.has('[Content_Types].xml')) {
    const types = descendants(parseXml(await archive.read('[Content_Types].xml')), 'Override');
    for (const [pattern, type] of OFFICE_MAIN_PARTS) {
      if (types.some(({ attributes }) => pattern.test(attributes.ContentType ?? ''))) return type;
    }
  }
  throw unsupported('The archive is none of the supported document formats; upload its files one by one.');
}

function detectText(text: string, isWhole: boolean, named: MediaType | null): MediaType {
  for (const [pattern, name] of UNSUPPORTED_TEXT) {
    if (pattern.test(text)) throw unsupported(`${name} is not supported.`);
  }
  if (looksLikeHtml(text, named)) return 'text/html';
  return detectJson(text, isWhole, named) ?? detectProse(text, named);
}

function looksLikeHtml(text: string, named: MediaType | null): boolean {
  const body = text.replace(/^(\s*(<\?xml[^>]*>|<!--[\s\S]*?-->))+\s*/, '');
  if (/^(<!doctype html|<(html|head|body|title|meta)[\s>])/i.test(body)) return true;
  // Markdown may begin with a tag; a page without any frame is recognised by its name or by nothing but tags around it.
  if (named === 'text/html') return /<[a-z][a-z0-9]*(\s[^<>]*)?>/i.test(body);
  return (
    named === null && /^<(p|div|h[1-6]|table|ul|ol|article|section|main)[\s>]/i.test(body) && /<\/\w+>\s*$/.test(body)
  );
}

function detectJson(text: string, isWhole: boolean, named: MediaType | null): MediaType | null {
  if (!/^[[{]/.test(text)) return null;
  const { state } = readJson(text);
  if (state === 'complete' && named === 'application/x-ndjson') return 'application/x-ndjson';
  if (state === 'complete' || (state === 'cut' && !isWhole))
    return isNotebook(text, named) ? 'application/x-ipynb+json' : 'application/json';
  return areJsonLines(text, isWhole) ? 'application/x-ndjson' : null;
}

function isNotebook(text: string, named: MediaType | null): boolean {
  if (!/^\{[\s\S]*"cells"\s*:/.test(text)) return false;
  return named === 'application/x-ipynb+json' || /"cell_type"\s*:\s*"(markdown|code|raw)"/.test(text);
}

function areJsonLines(text: string, isWhole: boolean): boolean {
  const lines = text.split('\n');
  if (!isWhole) lines.pop();
  const filled = lines.filter((line) => line.trim() !== '');
  return filled.length >= 2 && filled.every((line) => /^\s*[[{]/.test(line) && readJson(line).state === 'complete');
}

function detectProse(text: string, named: MediaType | null): MediaType {
  switch (named) {
    case 'text/csv':
    case 'text/tab-separated-values':
    case 'text/markdown':
    case 'text/plain':
      return named;
    default:
      return detectTable(text) ?? (hasMarkdownMarkup(text) ? 'text/markdown' : 'text/plain');
  }
}

/** Prose has commas, too: a table has them in the same number on every line, and short cells between them. */
function detectTable(text: string): MediaType | null {
  const dialect = sniffCsvDialect(text);
  if (dialect === null || dialect.records < 3 || dialect.consistency < 0.95) return null;
  if (dialect.delimiter === '\t') return 'text/tab-separated-values';
  const sample = text.slice(0, 4096);
  const cells = sample.split(dialect.delimiter).length + sample.split('\n').length;
  return sample.length / cells < 30 ? 'text/csv' : null;
}

/** Two different marks are needed, since each alone occurs in plain text. */
function hasMarkdownMarkup(text: string): boolean {
  const marks = [
    /^#{1,6} \S/m,
    /^(```|~~~)/m,
    /\[[^[\]\n]{1,200}\]\([^()\s]{1,500}\)/,
    /^\|?[ :]*-{3,}[ :]*\|[-| :]*$/m,
    /^[-*+] \S.*\n[-*+] \S/m,
    /(\*\*|__)\S[^\n*_]*\1/,
  ];
  return marks.filter((mark) => mark.test(text)).length >= 2;
}

function unsupported(detail: string): AppError {
  return new AppError('unsupported_media_type', detail);
}
