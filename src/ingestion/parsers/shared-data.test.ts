import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { textOfDocument } from '../../../test/parse-bytes.ts';
import { AppError } from '../../errors/app-error.ts';
import { detectMediaType } from './detect.ts';
import { parseDom, textBelow } from './html-dom.ts';
import type { ParsedDocument, ParseLimits } from './parsed-document.ts';
import { loadParser } from './registry.ts';
import { parseInChildProcess } from './run-parser.ts';

/** Real files that nobody of this project made; see the README of each folder there. */
const DATA = process.env.EVAL_DATA_DIR ?? '';

const LIMITS: ParseLimits = { maxPages: 2000, maxTextChars: 10_000_000, maxExpandedBytes: 200 * 1024 * 1024 };

/** Files that must fail, and how. */
const REFUSED: Record<string, string> = {
  'libreoffice-writer-password.pdf': 'pdf_encrypted',
  'poppler-395-0-fuzzed.pdf': 'pdf_corrupt',
  'poppler-742-0-fuzzed.pdf': 'pdf_corrupt',
  'PDFBOX-4352-0.pdf': 'pdf_no_text',
  'empty_protected.pdf': 'pdf_no_text',
  'grayscale-image.pdf': 'pdf_no_text',
  'MEDRPT-2024-PAT-3847_medical_report_scan.pdf': 'pdf_no_text',
  'empty.docx': 'no_text',
  'testWORD_protected_passtika.docx': 'document_encrypted',
  'testWORD_truncated.docx': 'document_corrupt',
  'test.xls': 'unsupported_media_type',
  'test_outlook_msg.msg': 'unsupported_media_type',
  'test_files.zip': 'unsupported_media_type',
  'testRFC822_multipart_attachments.eml': 'unsupported_media_type',
  'testRTF.rtf': 'unsupported_media_type',
  'testRTFJapanese.rtf': 'unsupported_media_type',
};

const NOT_DOCUMENTS = /(^|\/)(README\.md|LICENSE|manifest\.json|expectations\.json|expected.*|.*\/json\/.*)$/;

const parsed = new Map<string, Promise<ParsedDocument>>();

/** Several tests look at one document, and some take seconds. */
function parseFile(path: string): Promise<ParsedDocument> {
  const document = parsed.get(path) ?? parseAnew(path);
  parsed.set(path, document);
  return document;
}

async function parseAnew(path: string): Promise<ParsedDocument> {
  const fileName = basename(path);
  const mediaType = await detectMediaType(path, fileName);
  return (await loadParser(mediaType))({ path, mediaType, fileName, limits: LIMITS });
}

async function outcomeOf(path: string): Promise<string> {
  try {
    const document = await parseFile(path);
    return document.blocks.length > 0 ? 'parsed' : 'nothing';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(DATA, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !NOT_DOCUMENTS.test(path.slice(DATA.length)));
}

async function readJsonFile<T>(...parts: string[]): Promise<T> {
  return JSON.parse(await readFile(join(DATA, ...parts), 'utf8')) as T;
}

function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Share of the words of `wanted`, with repetition, that `found` has. */
function coverage(found: string, wanted: string): number {
  const counts = new Map<string, number>();
  for (const word of wordsOf(found)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = wordsOf(wanted);
  let hits = 0;
  for (const word of words) {
    const left = counts.get(word) ?? 0;
    if (left > 0) hits++;
    counts.set(word, left - 1);
  }
  return words.length === 0 ? 1 : hits / words.length;
}

/** Text without the marks of Markdown and without differences of white space. */
function withoutMarks(text: string): string {
  return text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*(#+|[*>-]|\|[-| ]*\|$)\s+/gm, '')
    .replace(/[*|`[\]]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

describe.skipIf(DATA === '')('real files (skipped without EVAL_DATA_DIR)', () => {
  test.each(['pdf', 'office', 'html', 'csv-spectrum', 'markdown-fastify'])(
    'every file in %s is parsed, or refused with its own code',
    async (folder) => {
      const files = (await filesIn(folder)).filter((path) => !path.includes('/gold/'));
      expect(files.length).toBeGreaterThan(10);
      for (const path of files) {
        expect.soft(await outcomeOf(path), path).toBe(REFUSED[basename(path)] ?? 'parsed');
      }
    },
  );

  test('PDFs give about as much text as another engine finds', async () => {
    const manifest =
      await readJsonFile<{ file: string; poppler?: { chars: number | null; pages: number } }[]>('pdf/manifest.json');
    for (const { file, poppler } of manifest) {
      // The fonts of TAMReview do not say which characters they draw.
      if (!poppler?.chars || poppler.chars < 100 || file in REFUSED || file === 'TAMReview.pdf') continue;
      const document = await parseFile(join(DATA, 'pdf', file));
      const chars = textOfDocument(document).replace(/\s/g, '').length;
      expect.soft(chars / poppler.chars, file).toBeGreaterThan(0.92);
      expect.soft(chars / poppler.chars, file).toBeLessThan(1.08);
      expect.soft(document.pageCount, file).toBe(poppler.pages);
    }
  });

  test('PDFs with a known text give its words and no others', async () => {
    for (const name of await readdir(join(DATA, 'pdf/gold'))) {
      const gold = await readFile(join(DATA, 'pdf/gold', name), 'utf8');
      const text = textOfDocument(await parseFile(join(DATA, 'pdf', name.replace(/md$/, 'pdf'))));
      expect.soft(coverage(text, gold), name).toBeGreaterThan(0.95);
      expect.soft(coverage(gold, text), name).toBeGreaterThan(0.9);
    }
  });

  test('a book of 352 pages is parsed in a child process of 512 MB', async () => {
    const path = join(DATA, 'pdf/freeculture.pdf');
    const input = { path, mediaType: 'application/pdf', fileName: null, limits: LIMITS };
    const document = await parseInChildProcess(input, { timeoutMs: 50_000, memoryMb: 512 });
    expect(document.pageCount).toBe(352);
    expect(document.title).toBe('Free Culture');
  });

  test('Word files give their words in order', async () => {
    const expectations = await readJsonFile<Record<string, string[]>>('office/mammoth/expectations.json');
    for (const [file, texts] of Object.entries(expectations).filter(([name]) => !(name in REFUSED))) {
      const text = textOfDocument(await parseFile(join(DATA, 'office/mammoth', file)));
      let at = 0;
      for (const expected of texts) {
        at = text.indexOf(expected, at);
        expect.soft(at, `${file}: ${expected}`).toBeGreaterThanOrEqual(0);
        at += expected.length;
      }
    }
  });

  test('Office files, pages and notebooks hold what they must and not what they must not', async () => {
    const expectations = await readJsonFile<Record<string, { must_include: string[]; must_not_include: string[] }>>(
      'office/markitdown/expectations.json',
    );
    for (const [file, { must_include, must_not_include }] of Object.entries(expectations)) {
      const path = join(DATA, 'office/markitdown', file);
      if (!existsSync(path) || file in REFUSED) continue;
      const document = await parseFile(path);
      const text = withoutMarks(`${document.title}\n${textOfDocument(document)}`);
      // Pictures as data are another converter's business.
      for (const wanted of must_include.filter((entry) => !/^data:|python|---/.test(entry))) {
        expect.soft(text, file).toContain(withoutMarks(wanted));
      }
      for (const unwanted of must_not_include) expect.soft(text, file).not.toContain(unwanted);
    }
  });

  test('web pages give the words of the article and few others', async () => {
    const pages = (await readdir(join(DATA, 'html'), { withFileTypes: true })).filter((entry) => entry.isDirectory());
    for (const { name } of pages) {
      const expected = textBelow(parseDom(await readFile(join(DATA, 'html', name, 'expected.html'), 'utf8')).body);
      const text = textOfDocument(await parseFile(join(DATA, 'html', name, 'source.html')));
      expect.soft(coverage(text, expected), `${name}: recall`).toBeGreaterThan(0.98);
      expect.soft(coverage(expected, text), `${name}: precision`).toBeGreaterThan(0.9);
    }
  });

  test('every dialect of CSV gives the rows it stands for', async () => {
    for (const path of await filesIn('csv-spectrum')) {
      const name = basename(path, '.csv');
      // Its rows say another phone number than the file.
      if (name === 'location_coordinates') continue;
      const expected = await readJsonFile<Record<string, string>[]>('csv-spectrum/json', `${name}.json`);
      const [table] = (await parseFile(path)).blocks;
      if (table?.kind !== 'table') throw new Error(`${name} is no table`);
      const rows = table.rows.map((row) =>
        Object.fromEntries(table.header.map((key, column) => [key, row[column] ?? ''])),
      );
      const wanted = expected.map((row) =>
        Object.fromEntries(Object.entries(row).map(([key, value]) => [key, value.replaceAll('\r\n', '\n')])),
      );
      expect.soft(rows, name).toEqual(wanted);
    }
  });

  test('Markdown files give their headings and nearly all their words', async () => {
    for (const path of await filesIn('markdown-fastify')) {
      const source = await readFile(path, 'utf8');
      const document = await parseFile(path);
      const prose = source.replace(/<!--[\s\S]*?-->|\]\([^)]*\)|\]\[[^\]]*\]|^\[[^\]]+\]:.*$|<[^>]*>|```\w+/gm, ' ');
      expect.soft(coverage(textOfDocument(document), prose), path).toBeGreaterThan(0.97);
      expect.soft(document.blocks.filter((block) => block.kind === 'heading').length, path).toBeGreaterThan(0);
    }
  });
});
