import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { jobSubject, type Subject } from '../src/access/index.ts';
import { loadConfig } from '../src/config/config.ts';
import type { Database } from '../src/db/database.ts';
import { migrate } from '../src/db/migrate.ts';
import { openDatabase } from '../src/db/open-database.ts';
import { now, sql } from '../src/db/sql.ts';
import { acceptContent, ingestionRules } from '../src/ingestion/index.ts';
import { ingestHandler, type PipelineDependencies } from '../src/ingestion/jobs.ts';
import { loadParser } from '../src/ingestion/parsers/registry.ts';
import type { EmbeddingModel } from '../src/providers/models.ts';
import { createTokenMeter } from '../src/quotas/index.ts';
import { openDirectoryStorage } from '../src/storage/index.ts';

const MIGRATIONS_DIRECTORY = join(import.meta.dirname, '../migrations');
const MAX_BYTES = 104_857_600;
const MAX_TITLE_CHARS = 500;

/** The documents of one run: a database and a storage in a temporary directory, which `close` removes. */
export interface Library {
  db: Database;
  addUser(): Promise<Subject>;
  /** Takes the content in as an upload would be. Nothing can be found of it before `process` has run. */
  accept(subject: Subject, content: LibraryContent): Promise<AcceptedDocument>;
  /**
   * Runs the product's ingest handler. A second call goes on where the first one ended, so that words can be stored first
   * and vectors later. Throws what the handler throws. Resolves to the number of passages.
   */
  process(document: AcceptedDocument, embeddingModel: EmbeddingModel | null): Promise<number>;
  close(): Promise<void>;
}

export interface LibraryContent {
  title: string | null;
  body: string | Uint8Array;
  mediaType: string | null;
  fileName?: string;
}

export interface AcceptedDocument {
  documentId: string;
  subject: Subject;
  payload: unknown;
}

export interface LibraryOptions {
  /** How files are parsed; by default in this process, which spares a child process for each of thousands of small texts. */
  reading?: Pick<PipelineDependencies, 'parse' | 'detectMediaType'>;
}

export async function openLibrary({ reading = readHere }: LibraryOptions = {}): Promise<Library> {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-library-'));
  const { database: db } = await openDatabase({ url: join(directory, 'anyrag.db'), durability: 'normal' });
  await migrate(db, MIGRATIONS_DIRECTORY);
  const storage = await openDirectoryStorage(join(directory, 'files'));
  const rules = ingestionRules(loadConfig({}, directory));
  const pipeline: Omit<PipelineDependencies, 'embeddingModel'> = {
    db,
    storage,
    temporaryDirectory: directory,
    maxBytes: MAX_BYTES,
    rules,
    tokens: createTokenMeter(db, rules.quotas),
    limits: { maxPages: 10_000, maxTextChars: 50_000_000, maxExpandedBytes: 1_073_741_824 },
    fetchToFile: () => Promise.reject(new Error('A library holds no documents from URLs')),
    readPart: () => Promise.reject(new Error('A library reads every file whole')),
    assemble: () => Promise.reject(new Error('A library reads every file whole')),
    ...reading,
  };
  let users = 0;

  return {
    db,
    addUser: () => addUser(db, ++users),

    async accept(subject, { title, body, mediaType, fileName }) {
      const stored = await storage.put(Readable.from([Buffer.from(body)]), { maxBytes: MAX_BYTES });
      const accepted = await acceptContent(
        { db, storage, rules },
        {
          subject,
          caller: subject.userId!,
          sourceType: fileName === undefined ? 'text' : 'file',
          fields: {
            title: title?.slice(0, MAX_TITLE_CHARS).trim() || null,
            source: null,
            groupId: null,
            tags: null,
            metadata: null,
            expiresAt: null,
          },
          content: { kind: 'file', stored, fileName: fileName ?? null, mediaType },
          idempotencyKey: null,
          trace: null,
        },
      );
      return { documentId: accepted.documentId, subject, payload: await payloadOf(db, accepted.jobId) };
    },

    async process({ subject, payload }, embeddingModel) {
      const handler = ingestHandler({ ...pipeline, embeddingModel });
      const result = await handler.run(handler.payload.parse(payload), {
        jobId: 'library',
        token: 'library',
        signal: new AbortController().signal,
        subject,
        attempt: 1,
        maxAttempts: 2,
        log: { info() {}, warn() {} },
        progress() {},
        write: (statements) => db.batch(statements),
        spawn: () => Promise.reject(new Error('Nothing here runs children')),
        children: async () => [],
      });
      return result.chunks as number;
    },

    async close() {
      await db.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const readHere: NonNullable<LibraryOptions['reading']> = {
  parse: async (input) => (await loadParser(input.mediaType))(input),
  detectMediaType: () => Promise.reject(new Error('Give the media type')),
};

async function addUser(db: Database, number: number): Promise<Subject> {
  const userId = createHash('sha256').update(`user ${number}`).digest('hex');
  await db.batch([
    sql`INSERT INTO users (user_id, email_sealed, created_at, updated_at) VALUES (${userId}, x'00', ${now}, ${now})`,
  ]);
  const subject = await jobSubject({ db }, { ownerId: userId, via: 'session', levelCap: 4, groupId: null });
  if (subject === null) throw new Error('The new user is not active');
  return subject;
}

async function payloadOf(db: Database, jobId: string): Promise<unknown> {
  const rows = await db.query<{ payload: string }>(sql`SELECT payload FROM jobs WHERE job_id = ${jobId}`);
  return JSON.parse(rows[0]!.payload);
}
