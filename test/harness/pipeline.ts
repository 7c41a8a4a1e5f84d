import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Subject } from '../../src/access/index.ts';
import type { Database } from '../../src/db/database.ts';
import { deleteFilesHandler } from '../../src/documents/jobs.ts';
import { type Accepted, acceptContent, type ContentFields, type IngestionRules } from '../../src/ingestion/index.ts';
import {
  EMBED_STRETCH,
  embedStretchHandler,
  ingestHandler,
  PARSE_PAGES,
  type PipelineDependencies,
  parsePagesHandler,
  reindexHandler,
} from '../../src/ingestion/jobs.ts';
import type { ParsedDocument } from '../../src/ingestion/parsers/parsed-document.ts';
import type { JobHandler } from '../../src/jobs/index.ts';
import { createTokenMeter } from '../../src/quotas/index.ts';
import { openDirectoryStorage, type Storage } from '../../src/storage/index.ts';
import { type FakeEmbeddingModel, fakeEmbeddingModel } from '../fakes/embedding-model.ts';
import { createTestDatabase } from './database.ts';
import { testRules } from './ingestion-rules.ts';
import { startTestWorker, type TestWorker } from './worker.ts';

export interface TestPipeline {
  readonly db: Database;
  readonly path: string;
  /** Of the database, for other processes. */
  readonly url: string;
  /** Where the originals lie (`files`) and files on their way. */
  readonly directory: string;
  readonly model: FakeEmbeddingModel;
  readonly storage: Storage;
  /** What the stages work with; a test may replace a part before the worker runs. */
  readonly deps: PipelineDependencies;
  /** Paths of the files that were parsed, in order. */
  readonly parsed: string[];
  /** Content by URL, for `acceptUrl`. */
  readonly web: Map<string, string>;
  acceptText(subject: Subject, text: string, options?: AcceptOptions): Promise<Accepted>;
  acceptFile(subject: Subject, bytes: Buffer, fileName: string): Promise<Accepted>;
  acceptUrl(subject: Subject, url: string, options?: AcceptOptions): Promise<Accepted>;
  /** Keys of all stored originals. */
  storedFiles(): Promise<string[]>;
  /** A worker for all types of jobs; `db` may be a wrapper that fails. */
  startWorker(options?: { db?: Database; concurrency?: number; leaseMs?: number }): Promise<TestWorker>;
  /** Stops its workers and removes everything. */
  close(): Promise<void>;
}

export type AcceptOptions = Partial<ContentFields> & {
  caller?: string;
  idempotencyKey?: string | null;
  fileName?: string | null;
};

/** The pipeline on a real database and a real directory, with a fake model, a small parser and no network. */
export async function createTestPipeline(changes: Partial<IngestionRules> = {}): Promise<TestPipeline> {
  const rules = testRules(changes);
  const { db, url, path, close } = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-pipeline-'));
  const storage = await openDirectoryStorage(join(directory, 'files'));
  const model = fakeEmbeddingModel();
  const parsed: string[] = [];
  const web = new Map<string, string>();
  const workers: TestWorker[] = [];
  const deps: PipelineDependencies = {
    db,
    storage,
    embeddingModel: model,
    temporaryDirectory: directory,
    maxBytes: 10_000_000,
    rules,
    tokens: createTokenMeter(db, rules.quotas),
    limits: { maxPages: 100, maxTextChars: 10_000_000, maxExpandedBytes: 10_000_000 },
    async fetchToFile(url, file) {
      const body = web.get(url) ?? '';
      await writeFile(file, body);
      return {
        finalUrl: url,
        bytes: Buffer.byteLength(body),
        sha256: '',
        mediaType: 'text/plain',
        charset: 'utf-8',
        fileName: 'page.txt',
      };
    },
    detectMediaType: async () => 'text/plain',
    async parse({ path: file }) {
      parsed.push(file);
      return parseLightly(await readFile(file, 'utf8'));
    },
    readPart: () => Promise.reject(new Error('The small parser reads every file whole')),
    assemble: () => Promise.reject(new Error('The small parser reads every file whole')),
  };
  const accept = (
    subject: Subject,
    sourceType: 'file' | 'text' | 'web',
    content: Parameters<typeof acceptContent>[1]['content'],
    options: AcceptOptions,
  ) => {
    const { caller = subject.userId ?? 'guest', idempotencyKey = null, fileName: _, ...fields } = options;
    return acceptContent(deps, {
      subject,
      caller,
      sourceType,
      fields: { title: null, source: null, groupId: null, tags: null, metadata: null, expiresAt: null, ...fields },
      content,
      idempotencyKey,
      trace: null,
    });
  };

  return {
    db,
    path,
    url,
    directory,
    storage,
    model,
    deps,
    parsed,
    web,
    async acceptText(subject, text, options = {}) {
      const stored = await storage.put(Readable.from([Buffer.from(text)]), { maxBytes: deps.maxBytes });
      const content = { kind: 'file', stored, fileName: options.fileName ?? null, mediaType: 'text/plain' } as const;
      return accept(subject, 'text', content, options);
    },
    async acceptFile(subject, bytes, fileName) {
      const stored = await storage.put(Readable.from([bytes]), { maxBytes: deps.maxBytes });
      return accept(subject, 'file', { kind: 'file', stored, fileName, mediaType: null }, {});
    },
    acceptUrl: (subject, url, options = {}) => accept(subject, 'web', { kind: 'url', url }, options),
    async storedFiles() {
      const names = await readdir(join(directory, 'files'), { recursive: true });
      return names.filter((name) => /^[0-9a-f]{2}\/./.test(name));
    },
    async startWorker(options = {}) {
      const worker = await startTestWorker({ db, url, handlers: ingestionHandlers(deps), ...options });
      workers.push(worker);
      return worker;
    },
    async close() {
      for (const worker of workers) await worker.stop(0);
      await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The handlers of ingestion, by type of job. */
export function ingestionHandlers(deps: PipelineDependencies): ReadonlyMap<string, JobHandler> {
  return new Map<string, JobHandler>([
    ['ingest', ingestHandler(deps) as JobHandler],
    [PARSE_PAGES, parsePagesHandler(deps) as JobHandler],
    [EMBED_STRETCH, embedStretchHandler(deps) as JobHandler],
    ['reindex', reindexHandler(deps) as JobHandler],
    ['delete_files', deleteFilesHandler(deps) as JobHandler],
  ]);
}

/** Paragraphs between blank lines; one that begins with `# ` is a heading, the first of them the title. */
function parseLightly(text: string): ParsedDocument {
  const paragraphs = text.split(/\n{2,}/).filter((paragraph) => paragraph.trim() !== '');
  const blocks = paragraphs.map((paragraph) =>
    paragraph.startsWith('# ')
      ? { kind: 'heading' as const, level: 1, text: paragraph.slice(2) }
      : { kind: 'paragraph' as const, text: paragraph },
  );
  const title = blocks.find((block) => block.kind === 'heading')?.text ?? null;
  return { title, blocks, pageCount: null, warnings: [] };
}
