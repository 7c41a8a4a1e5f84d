import { deriveSecrets, sealText } from '../src/access/secrets.ts';
import { LEVELS, type Level, type Subject, userSubject } from '../src/access/subject.ts';
import { newId } from '../src/base/ids.ts';
import { quantise } from '../src/base/quantised-vector.ts';
import { segmentWords } from '../src/base/words.ts';
import type { Database } from '../src/db/database.ts';
import { now, type Statement, sql } from '../src/db/sql.ts';
import { chunkIdOf, type DocumentStatus, type SourceType } from '../src/documents/document.ts';
import { wordVector } from './fakes/word-vectors.ts';
import { TEST_SECRET } from './harness/accounts.ts';

// Rows as the product would have written them, with only the fields that a test is about. Instants are milliseconds since
// 1970; `null` never ends.

export const HOUR_MS = 3_600_000;

export interface TestUser {
  userId: string;
  subject: Subject;
}

export async function createUser(db: Database, options: { status?: 'active' | 'disabled' } = {}): Promise<TestUser> {
  const userId = randomHex64();
  await db.batch([
    sql`INSERT INTO users (user_id, email_sealed, status, created_at, updated_at)
      VALUES (${userId}, ${sealedEmail(userId)}, ${options.status ?? 'active'}, ${now}, ${now})`,
  ]);
  return { userId, subject: subjectOf(userId) };
}

/** What is known of its memberships is of no epoch, so that each statement reads them. */
function sealedEmail(userId: string): Uint8Array {
  const email = `${userId.slice(0, 12)}@example.com`;
  return sealText(deriveSecrets(TEST_SECRET), email, { column: 'users.email_sealed', row: userId });
}

export function subjectOf(
  userId: string,
  options: {
    via?: 'session' | 'api_key';
    levelCap?: Level;
    groupId?: string | null;
    /** Session or API key. */
    credentialId?: string;
    memberships?: Subject['memberships'] | undefined;
  } = {},
): Subject {
  return userSubject({
    userId,
    via: options.via ?? 'session',
    credentialId: options.credentialId ?? null,
    systemRoles: [],
    levelCap: options.levelCap ?? LEVELS.owner,
    groupId: options.groupId ?? null,
    memberships: options.memberships ?? { epoch: -1, list: '[]' },
  });
}

export function disableUser(userId: string): Statement {
  return sql`UPDATE users SET status = 'disabled', updated_at = ${now} WHERE user_id = ${userId}`;
}

export async function createGroup(db: Database, name = 'a group'): Promise<string> {
  const groupId = newId();
  await db.batch([
    sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES (${groupId}, ${name}, ${now}, ${now})`,
  ]);
  return groupId;
}

export async function addMember(
  db: Database,
  groupId: string,
  userId: string,
  options: { role?: 'admin' | 'editor' | 'viewer'; expiresAt?: number | null } = {},
): Promise<void> {
  await db.batch([
    sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
      VALUES (${groupId}, ${userId}, ${options.role ?? 'viewer'}, ${options.expiresAt ?? null}, ${now}, ${now})`,
  ]);
}

export async function shareDocument(
  db: Database,
  documentId: string,
  grantee: { userId: string } | { groupId: string },
  options: { level?: 1 | 2 | 3; expiresAt?: number | null } = {},
): Promise<string> {
  const shareId = newId();
  const userId = 'userId' in grantee ? grantee.userId : null;
  const groupId = 'groupId' in grantee ? grantee.groupId : null;
  await db.batch([
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, grantee_group_id, level,
        expires_at, created_at)
      VALUES (${shareId}, 'document', ${documentId}, ${userId}, ${groupId}, ${options.level ?? 1},
        ${options.expiresAt ?? null}, ${now})`,
  ]);
  return shareId;
}

export interface TestDocument {
  documentId: string;
  versionId: string;
  chunkIds: string[];
}

export interface DocumentOptions {
  /** Null: public. */
  ownerId?: string | null;
  title?: string;
  source?: string;
  sourceType?: SourceType;
  /** One chunk each. */
  chunks?: string[];
  tags?: string[];
  metadata?: Record<string, unknown>;
  status?: DocumentStatus;
  expiresAt?: number | null;
  createdAt?: number;
  /** Stores vectors by `wordVector`, as this model would have made them. */
  vectors?: { modelId: string; dimensions: number } | null;
}

/** A document whose first version is current: text, chunks, words and, if asked for, vectors. */
export async function createDocument(db: Database, options: DocumentOptions = {}): Promise<TestDocument> {
  const { ownerId = null, title = 'A title', chunks = ['Some words of text.'], expiresAt = null } = options;
  const documentId = newId();
  const versionId = newId();
  const createdAt = options.createdAt ?? Date.now();
  await db.batch([
    sql`INSERT INTO documents (document_id, owner_id, source_type, source, title, current_version_id, version, status,
        tags, metadata, expires_at, created_at, updated_at)
      VALUES (${documentId}, ${ownerId}, ${options.sourceType ?? 'text'}, ${options.source ?? documentId}, ${title},
        ${versionId}, 1, ${options.status ?? 'ready'}, ${JSON.stringify(options.tags ?? [])},
        ${JSON.stringify(options.metadata ?? {})}, ${expiresAt}, ${createdAt}, ${createdAt})`,
    sql`INSERT INTO document_versions (version_id, document_id, number, chunker, chunk_count, indexed_count, fetched_at,
        parsed_at, chunked_at, indexed_at, embedded_at, created_at)
      VALUES (${versionId}, ${documentId}, 1, 'test', ${chunks.length}, ${chunks.length}, ${createdAt}, ${createdAt},
        ${createdAt}, ${createdAt}, ${options.vectors ? createdAt : null}, ${createdAt})`,
    ...textStatements(versionId, title, chunks),
    ...(options.vectors ? vectorStatements(versionId, chunks, options.vectors) : []),
  ]);
  return { documentId, versionId, chunkIds: chunks.map((_, ordinal) => chunkIdOf(versionId, ordinal)) };
}

function textStatements(versionId: string, title: string, chunks: readonly string[]): Statement[] {
  const statements: Statement[] = [
    sql`INSERT INTO document_texts (version_id, text, spans) VALUES (${versionId}, ${chunks.join('\n\n')}, '[]')`,
  ];
  let start = 0;
  for (const [ordinal, text] of chunks.entries()) {
    statements.push(
      sql`INSERT INTO chunks (version_id, ordinal, char_start, char_end, token_count, text)
        VALUES (${versionId}, ${ordinal}, ${start}, ${start + text.length}, 1, ${text})`,
      sql`INSERT INTO chunk_words (rowid, title, body)
        SELECT chunk_seq, ${segmentWords(title)}, ${segmentWords(text)} FROM chunks
        WHERE version_id = ${versionId} AND ordinal = ${ordinal}`,
    );
    start += text.length + 2;
  }
  return statements;
}

/** One part for up to 64 chunks, one piece a chunk. */
function vectorStatements(
  versionId: string,
  chunks: readonly string[],
  { modelId, dimensions }: { modelId: string; dimensions: number },
): Statement[] {
  const vectors = chunks.map((text) => quantise(Float32Array.from(wordVector(text, dimensions))));
  const codes = Buffer.concat(vectors.map((vector) => Buffer.from(vector.codes.buffer)));
  const scales = new Uint8Array(Float32Array.from(vectors.map((vector) => vector.scale)).buffer);
  const ordinals = new Uint8Array(Int32Array.from(chunks.keys()).buffer);
  return [
    sql`INSERT INTO embedding_models (model_id, dimensions) VALUES (${modelId}, ${dimensions}) ON CONFLICT DO NOTHING`,
    sql`INSERT INTO chunk_vectors (version_id, model_key, part, piece_count, ordinals, scales, codes)
      SELECT ${versionId}, model_key, 0, ${chunks.length}, ${ordinals}, ${scales}, ${new Uint8Array(codes)}
      FROM embedding_models WHERE model_id = ${modelId}`,
  ];
}

function randomHex64(): string {
  return (newId() + newId()).replaceAll('-', '');
}
