import { hasRole, LEVELS, levelOnDocument, type Subject } from '../../access/index.ts';
import { type Database, requireThat } from '../../db/database.ts';
import { now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import type { Transfer } from './transfer.ts';

const TRANSFER_MS = 7 * 86_400_000;

/**
 * Transfers aliased `t`, of documents aliased `d`, that can still be accepted. Not those of a disabled account: whoever got
 * into it may have offered everything to themselves before it was disabled.
 */
const isOpen = sql`(t.expires_at > ${now} AND d.owner_id = t.from_user_id
  AND (d.expires_at IS NULL OR d.expires_at > ${now})
  AND EXISTS (SELECT 1 FROM users o WHERE o.user_id = t.from_user_id AND o.status = 'active'))`;

/**
 * Nothing is being made of the document: a job acts with the rights of who asked for it, and would stop halfway when those are
 * gone, leaving what nobody finishes.
 */
export function requireIdle(documentId: string): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM jobs WHERE status IN ('pending', 'processing') AND unique_key IN
        (SELECT 'ingest:' || version_id FROM document_versions WHERE document_id = ${documentId}))
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE status IN ('pending', 'processing')
        AND unique_key > ${`reindex:${documentId}:`} AND unique_key < ${`reindex:${documentId};`})`,
    'conflict',
  );
}

/** 404 for who is not there, is disabled, or merely claims their address. */
export function requireNewOwner(userId: string): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${userId} AND status = 'active' AND email_state <> 'unproven')`,
    'not_found',
  );
}

export function requireOther(subject: Subject, userId: string): Statement {
  return requireThat(sql`${userId} <> ${subject.userId}`, 'conflict');
}

/** Another offer takes the place of the one before. */
export function upsertTransfer(documentId: string, fromUserId: string, toUserId: string): Statement {
  return sql`INSERT INTO document_transfers (document_id, from_user_id, to_user_id, created_at, expires_at)
    VALUES (${documentId}, ${fromUserId}, ${toUserId}, ${now}, ${now} + ${TRANSFER_MS})
    ON CONFLICT DO UPDATE SET from_user_id = excluded.from_user_id, to_user_id = excluded.to_user_id,
      created_at = excluded.created_at, expires_at = excluded.expires_at`;
}

function isOffered(documentId: string, toUserId: string): Sql {
  return sql`EXISTS (SELECT 1 FROM document_transfers t JOIN documents d ON d.document_id = t.document_id
    WHERE t.document_id = ${documentId} AND t.to_user_id = ${toUserId} AND ${isOpen})`;
}

export function requireOffered(documentId: string, toUserId: string): Statement {
  return requireThat(isOffered(documentId, toUserId), 'not_found');
}

export function requireTransfer(documentId: string): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM document_transfers WHERE document_id = ${documentId})`, 'not_found');
}

/** The caller's account is active, and its address has been shown to be theirs. */
export function requireProven(subject: Subject): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${subject.userId} AND status = 'active' AND email_state <> 'unproven')`,
    'email_unproven',
  );
}

/**
 * The new owner may have a document of the same source: then this one becomes a source of its own, since adding the source
 * again must go on replacing the other one.
 */
export function changeOwner(documentId: string, ownerId: string): Statement {
  return sql`UPDATE documents SET owner_id = ${ownerId}, updated_at = ${now},
      source = CASE WHEN EXISTS (SELECT 1 FROM documents o WHERE o.owner_id = ${ownerId} AND o.source = documents.source)
        THEN document_id ELSE source END
    WHERE document_id = ${documentId}`;
}

/** The owner has everything; a share would outlast the next transfer. */
export function deleteSharesWith(documentId: string, userId: string): Statement {
  return sql`DELETE FROM resource_shares WHERE resource_type = 'document' AND resource_id = ${documentId}
    AND grantee_user_id = ${userId}`;
}

export function deleteShares(documentId: string): Statement {
  return sql`DELETE FROM resource_shares WHERE resource_type = 'document' AND resource_id = ${documentId}`;
}

export function deleteTransfer(documentId: string): Statement {
  return sql`DELETE FROM document_transfers WHERE document_id = ${documentId}`;
}

export function makePublic(documentId: string): Statement {
  return sql`UPDATE documents SET owner_id = NULL, updated_at = ${now} WHERE document_id = ${documentId}`;
}

export interface TransferPage {
  before: { createdAt: number; documentId: string } | null;
  limit: number;
}

const TRANSFER_COLUMNS = sql`t.document_id, d.title, t.from_user_id, t.to_user_id, t.created_at, t.expires_at`;

/** By the user or to them, newest first. Whoever offers a document shows its title. */
export async function selectTransfers(db: Database, userId: string, page: TransferPage): Promise<Transfer[]> {
  const { before } = page;
  const older =
    before === null ? sql`1` : sql`(t.created_at, t.document_id) < (${before.createdAt}, ${before.documentId})`;
  const rows = await db.query(sql`SELECT ${TRANSFER_COLUMNS}
    FROM document_transfers t JOIN documents d ON d.document_id = t.document_id
    WHERE (t.to_user_id = ${userId} OR t.from_user_id = ${userId}) AND ${isOpen} AND ${older}
    ORDER BY t.created_at DESC, t.document_id DESC LIMIT ${page.limit}`);
  return rows.map(toTransfer);
}

export async function selectTransfer(db: Database, documentId: string): Promise<Transfer | null> {
  const rows = await db.query(sql`SELECT ${TRANSFER_COLUMNS}
    FROM document_transfers t JOIN documents d ON d.document_id = t.document_id
    WHERE t.document_id = ${documentId} AND ${isOpen}`);
  return rows[0] === undefined ? null : toTransfer(rows[0]);
}

/**
 * 404 where the document cannot be seen, 403 where it is somebody else's. What is nobody's any more is removed by those who
 * run the system, signed in as themselves.
 */
export function requireMayRemove(subject: Subject, documentId: string): Statement[] {
  const level = levelOnDocument(subject, documentId);
  return [
    requireThat(sql`${level} >= ${LEVELS.read}`, 'not_found'),
    requireThat(sql`${level} >= ${LEVELS.owner} OR ${mayRemovePublic(subject, documentId)}`, 'forbidden'),
  ];
}

function mayRemovePublic(subject: Subject, documentId: string): Sql {
  if (subject.via !== 'session' || !hasRole(subject, 'super_admin', 'operator')) return sql`0`;
  return sql`(EXISTS (SELECT 1 FROM documents WHERE document_id = ${documentId} AND owner_id IS NULL)
    AND EXISTS (SELECT 1 FROM user_roles WHERE user_id = ${subject.userId} AND role IN ('super_admin', 'operator')))`;
}

/** The statement before it in the batch must not have removed the document yet. */
export function isPublic(documentId: string): Statement {
  return sql`EXISTS (SELECT 1 FROM documents WHERE document_id = ${documentId} AND owner_id IS NULL)`;
}

function toTransfer(row: Row): Transfer {
  return {
    documentId: row.document_id as string,
    title: row.title as string,
    fromUserId: row.from_user_id as string,
    toUserId: row.to_user_id as string,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number,
  };
}
