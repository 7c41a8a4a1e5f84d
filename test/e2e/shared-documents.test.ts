import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/errors/codes.ts';
import { type ApiUser, type Json, registerOver } from '../harness/api-user.ts';
import { startServer, type TestServer } from '../harness/server.ts';

const dataDir = process.env.EVAL_DATA_DIR;
/** The folders that hold documents, and which files in them are something else. */
const FOLDERS = ['pdf', 'office', 'html', 'csv-spectrum', 'markdown-fastify'];
const NOT_DOCUMENTS = /README\.md$|manifest\.json$|expectations\.json$|LICENSE$|expected|\/gold\/|csv-spectrum\/json\//;

/** Codes that say something about the file; anything else would be a fault of ours. */
const ABOUT_THE_FILE = Object.entries(ERROR_CODES)
  .filter(
    ([code, { retryable, status }]) => (status === 422 || status === 415) && !retryable && code !== 'parse_timeout',
  )
  .map(([code]) => code);

describe.skipIf(dataDir === undefined)('real documents through the running server', () => {
  let server: TestServer;
  let user: ApiUser;
  const jobs = new Map<string, Json>();

  beforeAll(async () => {
    server = await startServer({ env: { WORKER_CONCURRENCY: '2' } });
    user = await registerOver(server.url, 'reader@example.org');
    const uploads: [string, Json][] = [];
    for (const file of documentsIn(dataDir!)) uploads.push([relative(dataDir!, file), await user.upload(file)]);
    for (const [file, { job_id }] of uploads) jobs.set(file, await user.finished(job_id));
  }, 600_000);

  afterAll(() => server?.stop());

  test('every file ends as a good document or with an error about the file', () => {
    const bad = [...jobs].filter(([, job]) => {
      if (job.status === 'completed') return job.result.chunks < 1;
      return job.status !== 'failed' || !ABOUT_THE_FILE.includes(job.error.code);
    });
    expect(bad.map(([file, job]) => [file, job.status, job.error ?? job.result])).toEqual([]);
    expect(jobs.size).toBeGreaterThan(100);
  });

  test.each([
    ['pdf/libreoffice-writer-password.pdf', 'pdf_encrypted'],
    ['pdf/grayscale-image.pdf', 'pdf_no_text'],
    ['pdf/MEDRPT-2024-PAT-3847_medical_report_scan.pdf', 'pdf_no_text'],
    ['pdf/poppler-395-0-fuzzed.pdf', 'pdf_corrupt'],
    ['office/tika/testWORD_protected_passtika.docx', 'document_encrypted'],
    ['office/tika/testWORD_truncated.docx', 'document_corrupt'],
    ['office/mammoth/empty.docx', 'no_text'],
    ['office/markitdown/test_outlook_msg.msg', 'unsupported_media_type'],
  ])('%s fails with %s', (file, code) => {
    expect(jobs.get(file)).toMatchObject({ status: 'failed', error: { code, retryable: false } });
  });

  test.each([
    [
      'pdf/tracemonkey.pdf',
      'What speedups were measured for certain benchmark programs?',
      'speedups of 10x and more',
      1,
    ],
    ['pdf/freeculture.pdf', 'Who was the inventor of FM radio, Edwin Howard Armstrong?', 'Armstrong', null],
    [
      'office/markitdown/test.docx',
      'Which framework does AutoGen provide for multi-agent conversation?',
      'AutoGen',
      null,
    ],
  ] as const)('%s answers "%s" with the page and a verbatim quote', async (file, question, words, page) => {
    const documentId = jobs.get(file).result.document_id;
    const answer = await user.ask(question, { limit: 8, filters: { document_ids: [documentId] } });
    expect(answer.mode).toBe('extractive');
    const citation = answer.citations.find(({ quote }: Json) => quote.includes(words));
    expect(citation, JSON.stringify(answer.answer)).toBeDefined();
    const passage = answer.results.find(({ chunk_id }: Json) => chunk_id === citation.chunk_id);
    expect(passage.text).toContain(citation.quote);
    expect(citation.document_id).toBe(documentId);
    if (page !== null) expect(citation.location).toMatchObject({ page_start: page });
  });

  test('the passages of a document are slices of one text, in order, with pages that rise', async () => {
    const documentId = jobs.get('pdf/tracemonkey.pdf').result.document_id;
    const { body } = await user.request('GET', `/documents/${documentId}/chunks?limit=100`);
    const chunks: Json[] = body.items;
    expect(chunks.map(({ ordinal }) => ordinal)).toEqual(chunks.map((_, index) => index));
    for (const chunk of chunks) expect(chunk.text.length).toBe(chunk.char_end - chunk.char_start);
    const pages = chunks.map(({ page_start }) => page_start);
    expect(pages).toEqual([...pages].sort((a, b) => a - b));
    expect(pages.at(-1)).toBe(14);
  });
});

function documentsIn(root: string): string[] {
  const files: string[] = [];
  const visit = (path: string) => {
    for (const name of readdirSync(path).sort()) {
      const child = join(path, name);
      if (statSync(child).isDirectory()) visit(child);
      else if (!NOT_DOCUMENTS.test(relative(root, child))) files.push(child);
    }
  };
  for (const folder of FOLDERS) visit(join(root, folder));
  return files;
}
