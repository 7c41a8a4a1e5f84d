import { jobMayWrite, LEVELS, levelOnDocument, roleInGroup, type Subject } from '../access/index.ts';
import { type Database, requireThat } from '../db/database.ts';
import { now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { SourceType } from '../documents/index.ts';
import { AppError } from '../errors/app-error.ts';
import { groupPolicyRank, type PiiCounts, type PiiPolicy, policyOfRank } from '../redaction/index.ts';
import type { BlockSpan, CanonicalText, Chunk } from './chunking/chunk.ts';

export interface NewContent {
  documentId: string;
  /** False for another version of a document that is there. */
  isNew: boolean;
  versionId: string;
  ownerId: string | null;
  sourceType: SourceType;
  source: string;
  /** Shown until the document's own title is known, and used when it has none. */
  provisionalTitle: string;
  title: string | null;
  tags: string[] | null;
  metadata: Record<string, unknown> | null;
  expiresAt: number | null;
  /** From now on, at the most; null: without end. */
  lifetimeMs: number | null;
  /** What the fields were treated under. */
  piiPolicy: PiiPolicy;
  /** What was masked in the fields. */
  piiCounts: PiiCounts;
  url: string | null;
  file: {
    storageKey: string;
    bytes: number;
    contentHash: string;
    fileName: string | null;
    mediaType: string | null;
  } | null;
}

export async function selectDocumentIdBySource(db: Database, ownerId: string, source: string): Promise<string | null> {
  const rows = await db.query<{ document_id: string }>(sql`SELECT document_id FROM documents
    WHERE owner_id = ${ownerId} AND source = ${source}`);
  return rows[0]?.document_id ?? null;
}

/**
 * Creates the document or, where the owner's source exists already, leaves it as it is. One that has expired starts anew:
 * what it held must not come back with the new expiry.
 */
export function upsertDocument(content: NewContent): Statement {
  return sql`INSERT INTO documents (document_id, owner_id, source_type, source, title, tags, metadata, expires_at,
      created_at, updated_at)
    VALUES (${content.documentId}, ${content.ownerId}, ${content.sourceType}, ${content.source},
      ${content.title ?? content.provisionalTitle}, ${JSON.stringify(content.tags ?? [])},
      ${JSON.stringify(content.metadata ?? {})}, ${expiryOf(content)}, ${now}, ${now})
    ON CONFLICT (owner_id, source) WHERE owner_id IS NOT NULL DO UPDATE SET
      updated_at = ${now},
      current_version_id = CASE WHEN expires_at <= ${now} THEN NULL ELSE current_version_id END,
      status = CASE WHEN expires_at <= ${now} OR status = 'failed' THEN 'processing' ELSE status END,
      expires_at = CASE WHEN expires_at <= ${now} THEN excluded.expires_at ELSE expires_at END`;
}

function expiryOf({ expiresAt, lifetimeMs }: NewContent): Sql {
  if (lifetimeMs === null) return sql`${expiresAt}`;
  const latest = sql`${now} + ${lifetimeMs}`;
  return expiresAt === null ? latest : sql`min(${expiresAt}, ${latest})`;
}

/** False when another request created the document for this source at the same time: ask again for its id. */
export function requireSameDocument(content: NewContent): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM documents WHERE document_id = ${content.documentId})`, 'conflict');
}

export function insertVersion(content: NewContent): Statement {
  const { file } = content;
  return sql`INSERT INTO document_versions (version_id, document_id, number, title, tags, metadata, expires_at, url,
      storage_key, file_name, media_type, bytes, content_hash, fetched_at, pii_policy, pii_counts, created_at)
    SELECT ${content.versionId}, ${content.documentId},
      1 + coalesce((SELECT max(number) FROM document_versions WHERE document_id = d.document_id), d.version),
      ${content.title}, ${content.tags === null ? null : JSON.stringify(content.tags)},
      ${content.metadata === null ? null : JSON.stringify(content.metadata)}, ${expiryOf(content)}, ${content.url},
      ${file?.storageKey ?? null}, ${file?.fileName ?? null}, ${file?.mediaType ?? null}, ${file?.bytes ?? null},
      ${file?.contentHash ?? null}, ${file === null ? sql`NULL` : now}, ${content.piiPolicy},
      ${JSON.stringify(content.piiCounts)}, ${now}
    FROM documents d WHERE d.document_id = ${content.documentId}`;
}

/** 404 for who is not in the group, 403 for who may only look. */
export function requireGroupEditor(subject: Subject, groupId: string): Statement[] {
  return [
    requireThat(sql`${roleInGroup(subject, groupId)} IS NOT NULL`, 'not_found'),
    requireThat(sql`${roleInGroup(subject, groupId)} IN ('admin', 'editor')`, 'forbidden'),
  ];
}

/**
 * Sharing what was there before is managing it, which an API key for adding content may not: with a source of its user it
 * would show the group what the document has held so far. What the group may write already is shared no further.
 */
export function requireMayShare(subject: Subject, documentId: string, groupId: string): Statement {
  const isThere = sql`EXISTS (SELECT 1 FROM documents WHERE document_id = ${documentId}
    AND (expires_at IS NULL OR expires_at > ${now}))`;
  const isShared = sql`EXISTS (SELECT 1 FROM resource_shares WHERE resource_type = 'document'
    AND resource_id = ${documentId} AND grantee_group_id = ${groupId} AND level >= ${LEVELS.write}
    AND (expires_at IS NULL OR expires_at > ${now}))`;
  const mayManage = sql`${levelOnDocument(subject, documentId)} >= ${LEVELS.manage}`;
  return requireThat(sql`NOT ${isThere} OR ${isShared} OR ${mayManage}`, 'forbidden');
}

/** Gives the group `write` where it has less, and changes nothing else. An expired share starts anew and brings no more back. */
export function shareWithGroup(shareId: string, documentId: string, groupId: string): Statement {
  return sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_group_id, level, created_at)
    VALUES (${shareId}, 'document', ${documentId}, ${groupId}, 2, ${now})
    ON CONFLICT DO UPDATE SET
      level = CASE WHEN expires_at <= ${now} THEN 2 ELSE max(level, 2) END,
      expires_at = CASE WHEN expires_at <= ${now} THEN NULL ELSE expires_at END
    WHERE level < 2 OR expires_at <= ${now}`;
}

/** A version as the job that builds it sees it. */
export interface VersionState {
  versionId: string;
  documentId: string;
  number: number;
  title: string | null;
  url: string | null;
  storageKey: string | null;
  fileName: string | null;
  mediaType: string | null;
  charset: string | null;
  contentHash: string | null;
  language: string | null;
  chunker: string | null;
  chunkCount: number | null;
  indexedCount: number;
  warnings: string[];
  isFetched: boolean;
  isParsed: boolean;
  isChunked: boolean;
  isIndexed: boolean;
  isEmbedded: boolean;
  documentTitle: string;
  tags: string[] | null;
  metadata: Record<string, unknown> | null;
  documentTags: string[];
  documentMetadata: Record<string, unknown>;
  /** What the version has been treated under so far, and what was masked in its fields. */
  piiPolicy: PiiPolicy;
  piiCounts: PiiCounts;
  /** Of the groups that see the document, at that instant. */
  groupPolicy: PiiPolicy;
  /** Of the subject that the version was read for, at that instant. */
  mayWrite: boolean;
  /** Versions between the current one and this one. */
  unfinishedBefore: number;
  current: {
    versionId: string;
    contentHash: string | null;
    chunker: string | null;
    chunkCount: number | null;
    piiPolicy: PiiPolicy;
    isEmbedded: boolean;
  } | null;
}

/** Null when the version is gone: with its document, or because a newer one is current. */
export async function selectVersion(db: Database, subject: Subject, versionId: string): Promise<VersionState | null> {
  const rows = await db.query(sql`SELECT n.*, d.title AS document_title, d.tags AS document_tags,
      d.metadata AS document_metadata, d.current_version_id, c.pii_policy AS current_pii_policy,
      ${groupPolicyRank(sql`d.document_id`)} AS group_policy_rank,
      c.content_hash AS current_hash, c.chunker AS current_chunker, c.chunk_count AS current_chunk_count,
      c.embedded_at AS current_embedded_at,
      (SELECT count(*) FROM document_versions o
        WHERE o.document_id = d.document_id AND o.number > d.version AND o.number < n.number) AS unfinished_before,
      ${jobMayWrite(subject, sql`d.document_id`)} AS may_write
    FROM document_versions n JOIN documents d ON d.document_id = n.document_id
    LEFT JOIN document_versions c ON c.version_id = d.current_version_id
    WHERE n.version_id = ${versionId}`);
  return rows[0] === undefined ? null : toVersionState(rows[0]);
}

export async function selectVersionExists(db: Database, versionId: string): Promise<boolean> {
  const rows = await db.query(sql`SELECT 1 AS found FROM document_versions WHERE version_id = ${versionId}`);
  return rows.length > 0;
}

/** In front of every write: what is made of a version that is gone would belong to nothing and never be removed. */
export function requireVersion(versionId: string): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM document_versions WHERE version_id = ${versionId})`, 'not_found');
}

/** The subject's rights on the document, in the transaction of the write itself. */
export function requireMayWrite(subject: Subject, documentId: string): Statement {
  return requireThat(jobMayWrite(subject, documentId), 'rights_revoked');
}

/** Before content leaves for others: throws `AppError` rights_revoked where the subject may not write the document now. */
export async function assertMayWrite(db: Database, subject: Subject, documentId: string): Promise<void> {
  const rows = await db.query<{ may: number }>(sql`SELECT ${jobMayWrite(subject, documentId)} AS may`);
  if (rows[0]!.may !== 1) throw new AppError('rights_revoked');
}

export async function selectDocumentExists(db: Database, documentId: string): Promise<boolean> {
  return (await db.query(sql`SELECT 1 AS found FROM documents WHERE document_id = ${documentId}`)).length > 0;
}

export function storeFetched(
  versionId: string,
  file: {
    storageKey: string;
    bytes: number;
    contentHash: string;
    fileName: string | null;
    charset: string | null;
  },
): Statement {
  return sql`UPDATE document_versions SET storage_key = ${file.storageKey}, bytes = ${file.bytes},
      content_hash = ${file.contentHash}, file_name = ${file.fileName}, charset = ${file.charset}, fetched_at = ${now}
    WHERE version_id = ${versionId}`;
}

export function storeParsed(
  versionId: string,
  parsed: {
    text: CanonicalText;
    mediaType: string;
    title: string | null;
    language: string | null;
    pageCount: number | null;
    warnings: string[];
    piiPolicy: PiiPolicy;
    piiCounts: PiiCounts;
  },
): Statement[] {
  return [
    sql`INSERT INTO document_texts (version_id, text, spans)
      VALUES (${versionId}, ${parsed.text.text}, ${JSON.stringify(parsed.text.spans)})
      ON CONFLICT DO UPDATE SET text = excluded.text, spans = excluded.spans`,
    sql`UPDATE document_versions SET media_type = ${parsed.mediaType}, language = ${parsed.language},
        title = coalesce(title, ${parsed.title}), page_count = ${parsed.pageCount},
        warnings = ${JSON.stringify(parsed.warnings)}, pii_policy = ${parsed.piiPolicy},
        pii_counts = ${parsed.piiPolicy === 'off' ? null : JSON.stringify(parsed.piiCounts)}, parsed_at = ${now}
      WHERE version_id = ${versionId}`,
    deleteParts(versionId),
  ];
}

/**
 * With a text that was masked: the version lets go of the original, which a trigger has deleted, and of its hash, which would
 * confirm a guess. What it holds then is the text. A field that is null stays.
 */
export function letGoOfOriginal(
  versionId: string,
  kept: {
    textBytes: number;
    title: string | null;
    fileName: string | null;
    url: string | null;
    tags: string[] | null;
    metadata: Record<string, unknown> | null;
  },
): Statement {
  return sql`UPDATE document_versions SET storage_key = NULL, content_hash = NULL, bytes = ${kept.textBytes},
      title = coalesce(${kept.title}, title), file_name = ${kept.fileName}, url = ${kept.url},
      tags = coalesce(${kept.tags === null ? null : JSON.stringify(kept.tags)}, tags),
      metadata = coalesce(${kept.metadata === null ? null : JSON.stringify(kept.metadata)}, metadata)
    WHERE version_id = ${versionId}`;
}

/** A part of a long PDF that is read apart. */
export interface Part {
  first: number;
  last: number;
  isRead: boolean;
  /** What has been spent on reading it, failed attempts included. */
  tookMs: number;
}

/** What is to be read; parts that are there already keep what they hold. */
export function insertParts(versionId: string, ranges: readonly { first: number; last: number }[]): Statement {
  const rows = ranges.map(({ first, last }) => [first, last]);
  return sql`INSERT INTO document_parts (version_id, first_page, last_page)
    SELECT ${versionId}, value ->> 0, value ->> 1 FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT DO NOTHING`;
}

/** All parts in order; what another reader wrote is not read. */
export async function selectParts(db: Database, versionId: string, reader: string): Promise<Part[]> {
  const rows = await db.query<{ first_page: number; last_page: number; is_read: number; took_ms: number }>(
    sql`SELECT first_page, last_page, reader IS ${reader} AS is_read, took_ms FROM document_parts
      WHERE version_id = ${versionId} ORDER BY first_page`,
  );
  return rows.map((row) => ({
    first: row.first_page,
    last: row.last_page,
    isRead: row.is_read === 1,
    tookMs: row.took_ms,
  }));
}

export async function selectPartContent(
  db: Database,
  versionId: string,
  part: Pick<Part, 'first'>,
): Promise<Uint8Array | null> {
  const rows = await db.query<{ content: Uint8Array | null }>(
    sql`SELECT content FROM document_parts WHERE version_id = ${versionId} AND first_page = ${part.first}`,
    { offThread: true },
  );
  return rows[0]?.content ?? null;
}

export function storePart(
  versionId: string,
  part: Pick<Part, 'first'>,
  read: { reader: string; content: Uint8Array; tookMs: number },
): Statement {
  return sql`UPDATE document_parts SET reader = ${read.reader}, content = ${read.content}, took_ms = took_ms + ${read.tookMs}
    WHERE version_id = ${versionId} AND first_page = ${part.first}`;
}

export function addTimeSpent(versionId: string, part: Pick<Part, 'first'>, ms: number): Statement {
  return sql`UPDATE document_parts SET took_ms = took_ms + ${ms}
    WHERE version_id = ${versionId} AND first_page = ${part.first}`;
}

/** After a part was stored: no file fills the database with its parts. */
export function requirePartsWithin(versionId: string, maxBytes: number): Statement {
  const bytes = sql`SELECT coalesce(sum(length(content)), 0) FROM document_parts WHERE version_id = ${versionId}`;
  return requireThat(sql`(${bytes}) <= ${maxBytes}`, 'document_too_large');
}

/** How many pages of the parts have been read. */
export function pagesRead(versionId: string, reader: string): Sql {
  return sql`(SELECT coalesce(sum(last_page - first_page + 1), 0) FROM document_parts
    WHERE version_id = ${versionId} AND reader = ${reader})`;
}

export function deleteParts(versionId: string): Statement {
  return sql`DELETE FROM document_parts WHERE version_id = ${versionId}`;
}

export async function selectText(db: Database, versionId: string): Promise<CanonicalText | null> {
  const rows = await db.query<{ text: string; spans: string }>(
    sql`SELECT text, spans FROM document_texts WHERE version_id = ${versionId}`,
    { offThread: true },
  );
  const row = rows[0];
  return row === undefined ? null : { text: row.text, spans: JSON.parse(row.spans) as BlockSpan[] };
}

export async function countChunks(db: Database, versionId: string): Promise<number> {
  const rows = await db.query<{ n: number }>(sql`SELECT count(*) AS n FROM chunks WHERE version_id = ${versionId}`);
  return rows[0]!.n;
}

/**
 * Chunks that an older chunker left half done cannot be continued by a newer one. Their number counts from here on, before
 * there are any, so that a quota is asked before the work.
 */
export function beginChunking(versionId: string, chunker: string, count: number): Statement[] {
  return [
    sql`DELETE FROM chunks WHERE version_id = ${versionId}
      AND (SELECT chunker FROM document_versions WHERE version_id = ${versionId}) <> ${chunker}`,
    sql`UPDATE document_versions SET chunker = ${chunker}, chunk_count = ${count} WHERE version_id = ${versionId}`,
  ];
}

export function insertChunks(versionId: string, chunks: readonly (Chunk & { text: string })[]): Statement {
  const rows = chunks.map((chunk) => [
    chunk.ordinal,
    chunk.charStart,
    chunk.charEnd,
    chunk.pageStart,
    chunk.pageEnd,
    JSON.stringify(chunk.headingPath),
    chunk.tokenCount,
    chunk.text,
  ]);
  return sql`INSERT INTO chunks (version_id, ordinal, char_start, char_end, page_start, page_end, heading_path, token_count, text)
    SELECT ${versionId}, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
    FROM json_each(${JSON.stringify(rows)}) WHERE true
    ON CONFLICT (version_id, ordinal) DO NOTHING`;
}

export function endChunking(versionId: string): Statement {
  return sql`UPDATE document_versions SET chunked_at = ${now} WHERE version_id = ${versionId}`;
}

export interface StoredChunk {
  chunkSeq: number;
  ordinal: number;
  text: string;
  headingPath: string[];
}

export async function selectStoredChunks(
  db: Database,
  versionId: string,
  fromOrdinal: number,
  limit: number,
): Promise<StoredChunk[]> {
  const rows = await db.query(sql`SELECT chunk_seq, ordinal, text, heading_path FROM chunks
    WHERE version_id = ${versionId} AND ordinal >= ${fromOrdinal} ORDER BY ordinal LIMIT ${limit}`);
  return rows.map((row) => ({
    chunkSeq: row.chunk_seq as number,
    ordinal: row.ordinal as number,
    text: row.text as string,
    headingPath: JSON.parse(row.heading_path as string),
  }));
}

/** Rows of the word index and how far they go, in one transaction: a retry neither skips nor repeats one. */
export function insertWords(
  versionId: string,
  words: readonly { chunkSeq: number; title: string; body: string }[],
  indexedCount: number,
): Statement[] {
  const rows = words.map((entry) => [entry.chunkSeq, entry.title, entry.body]);
  return [
    sql`INSERT INTO chunk_words (rowid, title, body)
      SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(rows)})`,
    sql`UPDATE document_versions SET indexed_count = ${indexedCount} WHERE version_id = ${versionId}`,
  ];
}

/**
 * The moment a version is seen: the document points to it, takes over what came with it, and older versions go with all
 * that was made of them. A version that still exists is newer than the current one, which removes all that are older.
 */
export function makeCurrent(version: VersionState, status: 'ready_words_only' | 'ready'): Statement[] {
  return [
    sql`UPDATE document_versions SET indexed_at = ${now} WHERE version_id = ${version.versionId}`,
    sql`UPDATE documents SET current_version_id = ${version.versionId}, version = ${version.number}, status = ${status},
        ${takeOver(version)} WHERE document_id = ${version.documentId}`,
    sql`DELETE FROM document_versions WHERE document_id = ${version.documentId} AND number < ${version.number}`,
  ];
}

/** The content is what the document holds already: only what came with it is taken over, and the version goes. */
export function keepCurrent(version: VersionState): Statement[] {
  return [
    sql`UPDATE documents SET ${takeOver(version)} WHERE document_id = ${version.documentId}`,
    sql`DELETE FROM document_versions WHERE version_id = ${version.versionId}`,
  ];
}

/** What came with the version, and of the rest what the document has at this instant. */
function takeOver(version: VersionState): Sql {
  const given = (column: Sql) => sql`${column} = coalesce((SELECT ${column} FROM document_versions
    WHERE version_id = ${version.versionId}), ${column})`;
  return sql`${given(sql`title`)}, ${given(sql`tags`)}, ${given(sql`metadata`)}, ${given(sql`expires_at`)},
    updated_at = ${now}`;
}

export function insertModel(modelId: string, dimensions: number): Statement {
  return sql`INSERT INTO embedding_models (model_id, dimensions) VALUES (${modelId}, ${dimensions})
    ON CONFLICT (model_id) DO NOTHING`;
}

export async function selectModelKey(db: Database, modelId: string): Promise<number | null> {
  const rows = await db.query<{ model_key: number }>(
    sql`SELECT model_key FROM embedding_models WHERE model_id = ${modelId}`,
  );
  return rows[0]?.model_key ?? null;
}

export async function selectStoredParts(db: Database, versionId: string, modelKey: number): Promise<Set<number>> {
  const rows = await db.query<{ part: number }>(sql`SELECT part FROM chunk_vectors
    WHERE version_id = ${versionId} AND model_key = ${modelKey}`);
  return new Set(rows.map((row) => row.part));
}

export interface CachedEmbedding {
  hash: string;
  scale: number;
  codes: Uint8Array;
}

/**
 * Hashes are hex. What is missing in the answer is not cached. Only what documents of the same owner needed counts: how long
 * a job takes would else tell who guesses a text whether somebody else has it.
 */
export async function selectCachedEmbeddings(
  db: Database,
  modelKey: number,
  documentId: string,
  hashes: readonly string[],
): Promise<Map<string, CachedEmbedding>> {
  const rows = await db.query<{ hash: string; scale: number; codes: Uint8Array }>(sql`
    SELECT lower(hex(e.text_hash)) AS hash, e.scale, e.codes
    FROM json_each(${JSON.stringify(hashes)}) h CROSS JOIN embedding_cache e
      ON e.model_key = ${modelKey} AND e.text_hash = unhex(h.value)
    JOIN documents d ON d.document_id = e.document_id
      AND d.owner_id IS (SELECT owner_id FROM documents WHERE document_id = ${documentId})`);
  return new Map(rows.map((row) => [row.hash, row]));
}

export function insertCachedEmbedding(modelKey: number, documentId: string, entry: CachedEmbedding): Statement {
  return sql`INSERT INTO embedding_cache (model_key, text_hash, document_id, scale, codes)
    VALUES (${modelKey}, unhex(${entry.hash}), ${documentId}, ${entry.scale}, ${entry.codes}) ON CONFLICT DO NOTHING`;
}

export function insertVectors(part: {
  versionId: string;
  modelKey: number;
  part: number;
  ordinals: Uint8Array;
  scales: Uint8Array;
  codes: Uint8Array;
  pieceCount: number;
}): Statement {
  return sql`INSERT INTO chunk_vectors (version_id, model_key, part, piece_count, ordinals, scales, codes)
    VALUES (${part.versionId}, ${part.modelKey}, ${part.part}, ${part.pieceCount}, ${part.ordinals}, ${part.scales}, ${part.codes})
    ON CONFLICT DO NOTHING`;
}

export function endEmbedding(version: Pick<VersionState, 'versionId' | 'documentId'>): Statement[] {
  return [
    sql`UPDATE document_versions SET embedded_at = ${now} WHERE version_id = ${version.versionId}`,
    sql`UPDATE documents SET status = 'ready', updated_at = ${now}
      WHERE document_id = ${version.documentId} AND current_version_id = ${version.versionId}`,
  ];
}

export async function selectCurrentVersionId(db: Database, documentId: string): Promise<string | null> {
  const rows = await db.query<{ current_version_id: string | null }>(
    sql`SELECT current_version_id FROM documents WHERE document_id = ${documentId}`,
  );
  return rows[0]?.current_version_id ?? null;
}

/** Takes a stretch of chunks out of the word index, before they are put in again under another title. */
export function deleteWords(chunkSeqs: readonly number[]): Statement {
  return sql`DELETE FROM chunk_words WHERE rowid IN (SELECT value FROM json_each(${JSON.stringify(chunkSeqs)}))`;
}

function toVersionState(row: Row): VersionState {
  const currentId = row.current_version_id as string | null;
  return {
    versionId: row.version_id as string,
    documentId: row.document_id as string,
    number: row.number as number,
    title: row.title as string | null,
    url: row.url as string | null,
    storageKey: row.storage_key as string | null,
    fileName: row.file_name as string | null,
    mediaType: row.media_type as string | null,
    charset: row.charset as string | null,
    contentHash: row.content_hash as string | null,
    language: row.language as string | null,
    chunker: row.chunker as string | null,
    chunkCount: row.chunk_count as number | null,
    indexedCount: row.indexed_count as number,
    warnings: JSON.parse(row.warnings as string),
    isFetched: row.fetched_at !== null,
    isParsed: row.parsed_at !== null,
    isChunked: row.chunked_at !== null,
    isIndexed: row.indexed_at !== null,
    isEmbedded: row.embedded_at !== null,
    documentTitle: row.document_title as string,
    tags: JSON.parse((row.tags as string | null) ?? 'null'),
    metadata: JSON.parse((row.metadata as string | null) ?? 'null'),
    documentTags: JSON.parse(row.document_tags as string),
    documentMetadata: JSON.parse(row.document_metadata as string),
    piiPolicy: row.pii_policy as PiiPolicy,
    piiCounts: JSON.parse((row.pii_counts as string | null) ?? '{}'),
    groupPolicy: policyOfRank(row.group_policy_rank as number),
    mayWrite: row.may_write === 1,
    unfinishedBefore: row.unfinished_before as number,
    current:
      currentId === null
        ? null
        : {
            versionId: currentId,
            contentHash: row.current_hash as string | null,
            chunker: row.current_chunker as string | null,
            chunkCount: row.current_chunk_count as number | null,
            piiPolicy: row.current_pii_policy as PiiPolicy,
            isEmbedded: row.current_embedded_at !== null,
          },
  };
}
