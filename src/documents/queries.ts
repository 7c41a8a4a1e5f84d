import { levelOnDocument, membershipsOf, type Permission, type Subject, visibleDocuments } from '../access/index.ts';
import { type Database, requireThat } from '../db/database.ts';
import { joinSql, now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { PiiPolicy } from '../redaction/index.ts';
import { chunkIdOf, type Document, type DocumentChange, type DocumentChunk, type SourceType } from './document.ts';

export interface DocumentFilter {
  groupId: string | null;
  ownerId: string | null;
  tag: string | null;
  sourceType: SourceType | null;
  /** Part of the title, in any case. */
  titlePart: string | null;
  beforeId: string | null;
  limit: number;
}

const DOCUMENT_COLUMNS = sql`d.document_id, d.title, d.source, d.source_type, n.language, d.version, d.status, d.owner_id,
  d.tags, d.metadata, d.created_at, d.updated_at, d.expires_at, v.level,
  n.media_type, n.bytes, n.chunk_count, n.pii_policy, n.pii_counts, n.parsed_at`;

/** The version that answers for size and type: the current one, or the first while that is being made. */
const SHOWN_VERSION = sql`LEFT JOIN document_versions n ON n.version_id = coalesce(d.current_version_id,
  (SELECT version_id FROM document_versions WHERE document_id = d.document_id ORDER BY number LIMIT 1))`;

export async function selectDocument(db: Database, subject: Subject, documentId: string): Promise<Document | null> {
  const rows = await db.query(sql`SELECT ${DOCUMENT_COLUMNS}
    FROM (SELECT ${levelOnDocument(subject, documentId)} AS level) v
    JOIN documents d ON d.document_id = ${documentId} ${SHOWN_VERSION}
    WHERE v.level >= 1`);
  return rows[0] === undefined ? null : toDocument(rows[0]);
}

/** Those of the documents that the subject may see. */
export async function selectVisibleIds(
  db: Database,
  subject: Subject,
  documentIds: readonly string[],
): Promise<Set<string>> {
  const rows = await db.query<{ document_id: string }>(sql`SELECT i.value AS document_id
    FROM json_each(${JSON.stringify(documentIds)}) i WHERE ${levelOnDocument(subject, sql`i.value`)} >= 1`);
  return new Set(rows.map((row) => row.document_id));
}

/** Newest first: ids sort by creation. */
export async function selectDocuments(db: Database, subject: Subject, filter: DocumentFilter): Promise<Document[]> {
  const conditions: Sql[] = [sql`1`];
  if (filter.beforeId !== null) conditions.push(sql`d.document_id < ${filter.beforeId}`);
  if (filter.ownerId !== null) conditions.push(sql`d.owner_id = ${filter.ownerId}`);
  if (filter.sourceType !== null) conditions.push(sql`d.source_type = ${filter.sourceType}`);
  if (filter.tag !== null) conditions.push(hasAnyTag([filter.tag]));
  if (filter.titlePart !== null) conditions.push(sql`instr(lower(d.title), lower(${filter.titlePart})) > 0`);
  if (filter.groupId !== null) conditions.push(sharedWithGroups(subject, [filter.groupId]));
  const rows = await db.query(sql`SELECT ${DOCUMENT_COLUMNS}
    FROM ${visibleDocuments(subject)} v CROSS JOIN documents d ON d.document_id = v.document_id ${SHOWN_VERSION}
    WHERE ${joinSql(conditions, ' AND ')}
    ORDER BY d.document_id DESC LIMIT ${filter.limit}`);
  return rows.map(toDocument);
}

/** For documents aliased `d`. */
export function hasAnyTag(tags: readonly string[]): Sql {
  return sql`EXISTS (SELECT 1 FROM json_each(d.tags) t
    WHERE t.value IN (SELECT value FROM json_each(${JSON.stringify(tags)})))`;
}

/** For documents aliased `d`: shared with one of these groups, of which only those count that the caller is in. */
export function sharedWithGroups(subject: Subject, groupIds: readonly string[]): Sql {
  return sql`EXISTS (SELECT 1 FROM resource_shares s
    WHERE s.resource_type = 'document' AND s.resource_id = d.document_id
      AND s.grantee_group_id IN (SELECT value FROM json_each(${JSON.stringify(groupIds)}))
      AND s.grantee_group_id IN (SELECT group_id FROM (${membershipsOf(subject)}))
      AND (s.expires_at IS NULL OR s.expires_at > ${now}))`;
}

/** Chunks of the current version in reading order. */
export async function selectChunks(
  db: Database,
  subject: Subject,
  documentId: string,
  page: { afterOrdinal: number; limit: number },
): Promise<DocumentChunk[]> {
  const rows = await db.query(sql`SELECT c.* FROM documents d JOIN chunks c ON c.version_id = d.current_version_id
    WHERE d.document_id = ${documentId} AND ${levelOnDocument(subject, documentId)} >= 1
      AND c.ordinal > ${page.afterOrdinal}
    ORDER BY c.ordinal LIMIT ${page.limit}`);
  return rows.map(toChunk);
}

/** The text that was read of the current version; null while there is none. */
export async function selectText(db: Database, subject: Subject, documentId: string): Promise<string | null> {
  const rows = await db.query<{ text: string }>(
    sql`SELECT t.text FROM documents d JOIN document_texts t ON t.version_id = d.current_version_id
      WHERE d.document_id = ${documentId} AND ${levelOnDocument(subject, documentId)} >= 1`,
    { offThread: true },
  );
  return rows[0]?.text ?? null;
}

export interface OriginalFile {
  /** Null where it was not kept, since what is stored is masked; also before that is done. */
  storageKey: string | null;
  mediaType: string | null;
  fileName: string | null;
  bytes: number;
}

export async function selectOriginalFile(
  db: Database,
  subject: Subject,
  documentId: string,
): Promise<OriginalFile | null> {
  const rows = await db.query(sql`SELECT CASE WHEN n.pii_policy <> 'mask' THEN n.storage_key END AS storage_key,
      n.media_type, n.file_name, n.bytes
    FROM documents d ${SHOWN_VERSION}
    WHERE d.document_id = ${documentId} AND ${levelOnDocument(subject, documentId)} >= 1 AND (n.storage_key IS NOT NULL OR n.pii_policy = 'mask')`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    storageKey: row.storage_key as string | null,
    mediaType: row.media_type as string | null,
    fileName: row.file_name as string | null,
    bytes: row.bytes as number,
  };
}

/** 404 where the document cannot be seen, 403 where it can but the level is too low: the first two statements of a change. */
export function requireLevel(subject: Subject, documentId: string, level: number): Statement[] {
  const actual = levelOnDocument(subject, documentId);
  return [
    requireThat(sql`${actual} >= 1`, 'not_found'),
    requireThat(sql`${levelOnDocument(subject, documentId)} >= ${level}`, 'forbidden'),
  ];
}

/** Whoever wants a document gone deletes it; an expiry that has passed already is a mistake. */
export function requireFutureExpiry(expiresAt: number | null): Statement[] {
  return expiresAt === null ? [] : [requireThat(sql`${expiresAt} > ${now}`, 'expiry_in_the_past')];
}

export function updateDocument(documentId: string, change: DocumentChange): Statement {
  const sets: Sql[] = [sql`updated_at = ${now}`];
  if (change.title !== undefined) sets.push(sql`title = ${change.title}`);
  if (change.tags !== undefined) sets.push(sql`tags = ${JSON.stringify(change.tags)}`);
  if (change.metadata !== undefined) sets.push(sql`metadata = ${JSON.stringify(change.metadata)}`);
  if (change.expiresAt !== undefined) sets.push(sql`expires_at = ${change.expiresAt}`);
  return sql`UPDATE documents SET ${joinSql(sets, ', ')} WHERE document_id = ${documentId}`;
}

/**
 * Text, passages, index rows, vectors and shares go with it, by foreign key and trigger, in the same transaction; the stored
 * originals by jobs that a trigger adds.
 */
export function deleteDocument(documentId: string): Statement {
  return sql`DELETE FROM documents WHERE document_id = ${documentId}`;
}

/**
 * Jobs that still work on the document end at their next write; those that wait end here. Found by the unique key that
 * `acceptContent` gives them, since the payload has no index.
 */
export function cancelIngestionOf(documentId: string): Statement {
  return sql`UPDATE jobs SET cancel_at = coalesce(cancel_at, ${now}), updated_at = ${now}, wait = NULL,
      finished_at = CASE WHEN status = 'pending' THEN ${now} END,
      status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
    WHERE unique_key IN (SELECT 'ingest:' || version_id FROM document_versions WHERE document_id = ${documentId})
      AND status IN ('pending', 'processing')`;
}

function toChunk(row: Row): DocumentChunk {
  return {
    chunkId: chunkIdOf(row.version_id as string, row.ordinal as number),
    ordinal: row.ordinal as number,
    text: row.text as string,
    charStart: row.char_start as number,
    charEnd: row.char_end as number,
    pageStart: row.page_start as number | null,
    pageEnd: row.page_end as number | null,
    headingPath: JSON.parse(row.heading_path as string),
    tokenCount: row.token_count as number,
  };
}

function toDocument(row: Row): Document {
  return {
    documentId: row.document_id as string,
    title: row.title as string,
    source: row.source as string,
    sourceType: row.source_type as SourceType,
    mediaType: row.media_type as string | null,
    bytes: row.bytes as number | null,
    chunks: (row.chunk_count as number | null) ?? 0,
    language: row.language as string | null,
    version: row.version as number,
    status: row.status as Document['status'],
    ownerId: row.owner_id as string | null,
    tags: JSON.parse(row.tags as string),
    metadata: JSON.parse(row.metadata as string),
    permissions: permissionsOf(row.level as number),
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
    expiresAt: row.expires_at as number | null,
    piiPolicy: (row.pii_policy as PiiPolicy | null) ?? 'off',
    pii: row.parsed_at === null ? null : JSON.parse((row.pii_counts as string | null) ?? 'null'),
  };
}

function permissionsOf(level: number): Permission[] {
  const all: Permission[] = ['read', 'write', 'manage'];
  return all.slice(0, Math.min(level, 3));
}
