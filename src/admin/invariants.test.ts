import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { INVARIANTS } from './invariants.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

/** As another tool, or a damaged file, would leave it. */
function spoil(script: string): void {
  const connection = new DatabaseSync(database.path, { enableForeignKeyConstraints: false });
  connection.exec(script);
  connection.close();
}

async function violations(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { name, sql } of INVARIANTS) counts[name] = (await database.db.query(sql))[0]!.n;
  return Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0));
}

function document(id: string, status: string, current = 'NULL'): string {
  return `INSERT INTO documents (document_id, source_type, source, title, status, current_version_id, created_at, updated_at)
    VALUES ('${id}', 'text', '${id}', 'A title', '${status}', ${current}, 0, 0);`;
}

function version(id: string, documentId: string, indexedCount = 0): string {
  return `INSERT INTO document_versions (version_id, document_id, number, indexed_count, created_at)
    VALUES ('${id}', '${documentId}', 1, ${indexedCount}, 0);`;
}

function chunk(seq: number, versionId: string): string {
  return `INSERT INTO chunks (chunk_seq, version_id, ordinal, char_start, char_end, token_count, text)
    VALUES (${seq}, '${versionId}', 0, 0, 1, 1, 'x');`;
}

function words(seq: number): string {
  return `INSERT INTO chunk_words (rowid, title, body) VALUES (${seq}, 'a', 'b');`;
}

function job(type: string, payload: string, status: string, worker = 'NULL'): string {
  return `INSERT INTO jobs (job_id, job_type, payload, status, worker_id, run_at, created_at, updated_at)
    VALUES ('j', '${type}', '${payload}', '${status}', ${worker}, 0, 0, 0);`;
}

const INDEXED = `BEGIN; ${document('d', 'ready', "'v'")} ${version('v', 'd', 1)} ${chunk(1, 'v')} COMMIT;`;

test('they hold for a new database, and for one in use', async () => {
  expect(await violations()).toEqual({});
  spoil(`${INDEXED} ${words(1)}
    INSERT INTO workers (worker_id, host, pid, started_at, lease_until, job_types) VALUES ('w', 'host', 1, 0, 9e15, '[]');
    ${document('new', 'processing')} ${version('n', 'new')} ${job('ingest', '{"version_id":"n"}', 'processing', "'w'")}`);
  expect(await violations()).toEqual({});
});

const CASES: [string, string][] = [
  ['documents_have_their_version', document('d', 'ready')],
  ['documents_have_their_version', document('d', 'ready', "'gone'")],
  ['chunks_have_versions', chunk(1, 'gone')],
  ['vectors_have_versions', "INSERT INTO chunk_vectors VALUES ('gone', 1, 0, 1, x'', x'', x'')"],
  ['words_have_chunks', words(7)],
  ['indexed_chunks_have_words', INDEXED],
  [
    'shares_have_resources',
    `INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, level, created_at)
      VALUES ('s', 'document', 'gone', 'u', 1, 0)`,
  ],
  ['jobs_have_living_workers', job('other', '{}', 'processing', "'gone'")],
  [
    'jobs_have_living_workers',
    `INSERT INTO workers (worker_id, host, pid, started_at, lease_until, job_types) VALUES ('w', 'host', 1, 0, 1, '[]'); ${job('other', '{}', 'processing', "'w'")}`,
  ],
  ['waiting_documents_have_jobs', document('d', 'processing')],
  [
    'quotas_count_what_is_there',
    `INSERT INTO groups (group_id, name, created_at, updated_at) VALUES ('g', 'Otters', 0, 0);
      UPDATE group_quotas SET chunks = 1`,
  ],
  [
    'erased_accounts_go',
    `INSERT INTO users (user_id, email_sealed, status, created_at, updated_at)
      VALUES ('${'a'.repeat(64)}', x'', 'erased', 0, 0)`,
  ],
];

test.each(CASES)('%s is seen to be broken, and no other', async (name, script) => {
  spoil(script);
  expect(await violations()).toEqual({ [name]: 1 });
});

test('each has a case that breaks it', () => {
  expect([...new Set(CASES.map(([name]) => name))].sort()).toEqual(INVARIANTS.map(({ name }) => name).sort());
});

test('the statements that repairs name are valid, and repair', async () => {
  for (const [, script] of CASES.filter(([name]) => /^(chunks|vectors|words|shares)_/.test(name))) spoil(script);
  const repairs = INVARIANTS.map(({ repair }) => /DELETE FROM .+;/.exec(repair)?.[0]).filter(
    (sql) => sql !== undefined,
  );
  expect(repairs).toHaveLength(4);
  for (const repair of repairs) spoil(repair);
  expect(await violations()).toEqual({});
});
