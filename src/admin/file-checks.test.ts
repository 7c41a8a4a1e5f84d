import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { sql } from '../db/sql.ts';
import { openDirectoryStorage, type Storage } from '../storage/index.ts';
import { fileChecks } from './file-checks.ts';
import { runChecks } from './finding.ts';

let database: TestDatabase;
let root: string;
let storage: Storage;

beforeEach(async () => {
  database = await createTestDatabase();
  root = await mkdtemp(join(tmpdir(), 'anyrag-files-'));
  storage = await openDirectoryStorage(root);
});
afterEach(async () => {
  await database.close();
  await rm(root, { recursive: true });
});

async function storeOld(): Promise<string> {
  const { key } = await storage.put(Readable.from([Buffer.from('content')]), { maxBytes: 100 });
  await utimes(join(root, key), 0, 0);
  return key;
}

async function addDocument(storageKey: string): Promise<void> {
  await database.db.batch([
    sql`INSERT INTO documents (document_id, source_type, source, title, created_at, updated_at)
      VALUES (${storageKey}, 'file', ${storageKey}, 'A title', 0, 0)`,
    sql`INSERT INTO document_versions (version_id, document_id, number, storage_key, created_at)
      VALUES (${storageKey}, ${storageKey}, 1, ${storageKey}, 0)`,
  ]);
}

async function statuses(): Promise<Record<string, string>> {
  const findings = await runChecks(fileChecks(database.db, storage));
  return Object.fromEntries(findings.map(({ name, status }) => [name, status]));
}

test('files with their documents are well', async () => {
  for (let count = 0; count < 3; count++) await addDocument(await storeOld());
  expect(await statuses()).toEqual({ rows_have_files: 'ok', files_have_rows: 'ok' });
});

test('a document whose file is gone is seen', async () => {
  const key = await storeOld();
  await addDocument(key);
  await storage.delete(key);
  expect(await statuses()).toEqual({ rows_have_files: 'problem', files_have_rows: 'ok' });
});

test('a file that no document names is seen, unless it is a young upload or about to be deleted', async () => {
  await storage.put(Readable.from([Buffer.from('young')]), { maxBytes: 100 });
  const leaving = await storeOld();
  await addDocument(leaving);
  await database.db.batch([sql`DELETE FROM documents`]);
  expect(await statuses()).toEqual({ rows_have_files: 'ok', files_have_rows: 'ok' });
  await storeOld();
  expect(await statuses()).toEqual({ rows_have_files: 'ok', files_have_rows: 'problem' });
});
