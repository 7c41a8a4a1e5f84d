import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  authenticate,
  deriveSecrets,
  issueAccessToken,
  jobSubject,
  levelOnDocument,
  newApiKey,
  openSigningKeys,
  type Subject,
} from '../src/access/index.ts';
import { Cache } from '../src/cache/index.ts';
import type { Database } from '../src/db/database.ts';
import { openFileDatabase } from '../src/db/file-database.ts';
import { migrate } from '../src/db/migrate.ts';
import { sql } from '../src/db/sql.ts';
import { selectDocuments } from '../src/documents/index.ts';
import { type Report, readable } from './report.ts';
import { quantile, timed } from './statistics.ts';

const USERS = 2_000;
const GROUPS = 200;
const GROUPS_PER_USER = 10;
const DOCUMENTS = 100_000;
const SHARES = 50_000;
const PUBLIC_DOCUMENTS = 100;
/** More than the API gives at once, as an export or a search asks for. */
const LISTED = 1_000;
const TURNS = 2_000;
const TURNS_OF_LISTS = 100;

/**
 * What it costs to know who asks and what they may see, beside the reading of a single row by its key: the least that any
 * answer of the database costs here.
 */
export async function benchAccess(): Promise<Report> {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-bench-'));
  const db = await openFileDatabase({ path: join(directory, 'access.db'), durability: 'normal' });
  try {
    await migrate(db, join(import.meta.dirname, '../migrations'));
    await fill(db);
    return report(await measure(db));
  } finally {
    await db.close();
    await rm(directory, { recursive: true });
  }
}

/** Users, groups and documents by number; what belongs to whom follows from the numbers. */
async function fill(db: Database): Promise<void> {
  const numbers = (count: number) =>
    sql`WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})`;
  await db.batch([
    sql`INSERT INTO users (user_id, email_sealed, created_at, updated_at)
      ${numbers(USERS)} SELECT printf('%064d', i), x'00', 0, 0 FROM n`,
    sql`INSERT INTO groups (group_id, name, created_at, updated_at)
      ${numbers(GROUPS)} SELECT printf('group %d', i), 'a group', 0, 0 FROM n`,
    sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      ${numbers(USERS * GROUPS_PER_USER)}
      SELECT printf('group %d', (i / ${GROUPS_PER_USER} + i % ${GROUPS_PER_USER} * 17) % ${GROUPS}),
        printf('%064d', i / ${GROUPS_PER_USER}), CASE i % 3 WHEN 0 THEN 'admin' WHEN 1 THEN 'editor' ELSE 'viewer' END, 0, 0
      FROM n`,
  ]);
  await db.batch([
    sql`INSERT INTO documents (document_id, owner_id, source_type, source, title, status, created_at, updated_at)
      ${numbers(DOCUMENTS)} SELECT printf('document %d', i), CASE WHEN i < ${PUBLIC_DOCUMENTS} THEN NULL
        ELSE printf('%064d', i % ${USERS}) END, 'text', printf('source %d', i), 'A title', 'ready', 0, 0 FROM n`,
    sql`INSERT INTO document_versions (version_id, document_id, number, created_at)
      ${numbers(DOCUMENTS)} SELECT printf('version %d', i), printf('document %d', i), 1, 0 FROM n`,
    sql`UPDATE documents SET version = 1, current_version_id = 'version' || substr(document_id, 9)`,
    // Half to users, half to groups, none of a document to the same one twice.
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, grantee_group_id, level, created_at)
      ${numbers(SHARES)} SELECT printf('share %d', i), 'document', printf('document %d', i * 7919 % ${DOCUMENTS}),
        CASE WHEN i % 2 THEN printf('%064d', i / 2 % ${USERS}) END,
        CASE WHEN i % 2 = 0 THEN printf('group %d', i / 2 % ${GROUPS}) END, 1 + i % 3, 0 FROM n`,
  ]);
}

type Latencies = Map<string, number[]>;

/** Each in turn, so that all of them meet the same state of the machine. */
async function measure(db: Database): Promise<Latencies> {
  const userId = String(USERS / 2).padStart(64, '0');
  const signIn = await makeSignIns(db, userId);
  const known = (await jobSubject({ db }, { ownerId: userId, via: 'session', levelCap: 4, groupId: null }))!;
  // Of an epoch that is over: each statement reads the memberships.
  const outdated: Subject = { ...known, memberships: { epoch: -1, list: '[]' } };
  const latencies: Latencies = new Map();
  for (let turn = -5; turn < TURNS; turn++) {
    const documentId = `document ${(Math.abs(turn) * 6_151) % DOCUMENTS}`;
    const runs: [string, () => Promise<unknown>][] = [
      [ONE_ROW, () => db.query(sql`SELECT title FROM documents WHERE document_id = ${documentId}`)],
      ['point check', () => pointCheck(db, known, documentId)],
      ['point check, epoch moved', () => pointCheck(db, outdated, documentId)],
      ['sign in by API key', () => signIn.byKey(signIn.warm)],
      ['sign in by token', () => signIn.byToken(signIn.warm)],
      ['request: token and point check', async () => pointCheck(db, await signIn.byToken(signIn.warm), documentId)],
      ['sign in by API key, no cache', () => signIn.byKey(undefined)],
    ];
    if (turn < TURNS_OF_LISTS) {
      runs.push(
        [`list of ${LISTED}`, () => list(db, known)],
        [`list of ${LISTED}, epoch moved`, () => list(db, outdated)],
      );
    }
    for (const [name, run] of runs) {
      const { ms } = await timed(run);
      // The first few warm caches and statements.
      if (turn >= 0) latencies.set(name, [...(latencies.get(name) ?? []), ms]);
    }
  }
  await signIn.warm.close();
  return latencies;
}

const ONE_ROW = 'one row by its key';

async function makeSignIns(db: Database, userId: string) {
  const secrets = deriveSecrets(createHash('sha256').update('bench').digest('hex'));
  const keys = await openSigningKeys({ db, secrets });
  const { keyId, text, secretHash } = newApiKey();
  await db.batch([
    sql`INSERT INTO sessions (session_id, user_id, created_at, expires_at) VALUES ('session', ${userId}, 0, 1e15)`,
    sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, created_at, last_used_at)
      VALUES (${keyId}, ${userId}, 'bench', ${secretHash}, '["read"]', 0, 9000000000000)`,
  ]);
  const token = await issueAccessToken(keys, { userId, sessionId: 'session' });
  const as = (credential: string) => (cache: Cache | undefined) =>
    authenticate({ db, secrets, keys, ...(cache && { cache }) }, `Bearer ${credential}`);
  const log = {
    warn(_: unknown, message: string): never {
      throw new Error(message);
    },
  };
  return { byToken: as(token), byKey: as(text), warm: new Cache({ db, log }) };
}

function pointCheck(db: Database, subject: Subject, documentId: string): Promise<unknown> {
  return db.query(sql`SELECT ${levelOnDocument(subject, documentId)} AS level`);
}

async function list(db: Database, subject: Subject): Promise<void> {
  const filter = { groupId: null, ownerId: null, tag: null, sourceType: null, titlePart: null, beforeId: null };
  const documents = await selectDocuments(db, subject, { ...filter, limit: LISTED });
  if (documents.length !== LISTED) throw new Error(`The user sees ${documents.length} documents only`);
}

function report(latencies: Latencies): Report {
  const oneRow = quantile(latencies.get(ONE_ROW)!, 0.5);
  const figures: Report['figures'] = { access_documents: DOCUMENTS, access_shares: SHARES, access_users: USERS };
  const rows = [...latencies].map(([name, values]) => {
    const [p50, p95] = [quantile(values, 0.5), quantile(values, 0.95)];
    const key = `access_${name.replaceAll(/[^a-z0-9]+/gi, '_').toLowerCase()}`;
    Object.assign(figures, { [`${key}_p50_ms`]: p50, [`${key}_p95_ms`]: p95, [`${key}_rows`]: p50 / oneRow });
    return [name, readable(p50), readable(p95), readable(p50 / oneRow)];
  });
  const ratio = (name: string) => readable(quantile(latencies.get(name)!, 0.5) / oneRow);
  return {
    title: `Access at ${DOCUMENTS} documents, ${SHARES} shares, ${USERS} users`,
    header: ['', 'p50 ms', 'p95 ms', 'p50 / one row'],
    rows,
    figures,
    summary: `A point check costs ${ratio('point check')} single rows, a list of ${LISTED} ${ratio(`list of ${LISTED}`)}, a sign-in by API key ${ratio('sign in by API key')}.`,
  };
}
