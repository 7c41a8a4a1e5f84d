import {
  LEVELS,
  levelOnDocument,
  type Permission,
  roleInGroup,
  type Subject,
  visibleDocuments,
} from '../../access/index.ts';
import { type Database, requireThat } from '../../db/database.ts';
import { now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import type { Grantee, GranteeType, Share, SharedType } from './share.ts';

const PERMISSIONS: readonly Permission[] = ['read', 'write', 'manage'];

const isLive = sql`(s.expires_at IS NULL OR s.expires_at > ${now})`;
const SHARE_COLUMNS = sql`s.share_id, s.resource_type, s.resource_id, s.grantee_type, s.grantee_id, s.level, s.created_at,
  s.expires_at`;

/** 404 for who does not see the document, 403 for who sees it and may not share it as far as that. */
export function requireMayShare(subject: Subject, documentId: string, permission: Permission): Statement[] {
  const needed = permission === 'manage' ? LEVELS.owner : LEVELS.manage;
  return [
    requireThat(sql`${levelOnDocument(subject, documentId)} >= ${LEVELS.read}`, 'not_found'),
    requireThat(sql`${levelOnDocument(subject, documentId)} >= ${needed}`, 'forbidden'),
  ];
}

/** What the owner has given for managing is changed and taken back by the owner alone. */
export function requireMayChangeShare(subject: Subject, documentId: string, grantee: Grantee): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM resource_shares s WHERE ${isTo(documentId, grantee)} AND s.level = ${LEVELS.manage}
        AND ${isLive})
      OR ${levelOnDocument(subject, documentId)} >= ${LEVELS.owner}`,
    'forbidden',
  );
}

/** 404 for a group the caller is not in, 403 for one whose content the caller may only look at. */
export function requireMayOfferTo(subject: Subject, groupId: string): Statement[] {
  return [
    requireThat(sql`${roleInGroup(subject, groupId)} IS NOT NULL`, 'not_found'),
    requireThat(sql`${roleInGroup(subject, groupId)} IN ('admin', 'editor')`, 'forbidden'),
  ];
}

/** The owner has everything; a share would outlast a transfer. */
export function requireNotOwner(documentId: string, userId: string): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM documents WHERE document_id = ${documentId} AND owner_id = ${userId})`,
    'conflict',
  );
}

export interface NewShare {
  shareId: string;
  documentId: string;
  grantee: Grantee;
  permission: Permission;
  expiresAt: number | null;
}

/** The same share again gets the new permission and end, and keeps its id. */
export function upsertShare(share: NewShare): Statement {
  const { documentId, grantee } = share;
  const [userId, groupId] = grantee.type === 'user' ? [grantee.id, null] : [null, grantee.id];
  return sql`INSERT INTO resource_shares AS s (share_id, resource_type, resource_id, grantee_user_id, grantee_group_id, level,
      expires_at, created_at)
    VALUES (${share.shareId}, 'document', ${documentId}, ${userId}, ${groupId}, ${levelOf(share.permission)},
      ${share.expiresAt}, ${now})
    ON CONFLICT DO UPDATE SET level = excluded.level, expires_at = excluded.expires_at,
      created_at = CASE WHEN ${isLive} THEN s.created_at ELSE excluded.created_at END
    RETURNING share_id, resource_type, resource_id, grantee_type, grantee_id, level, created_at, expires_at`;
}

/** After `upsertShare`: the share was there before, and only changed. */
export function isNoNewShare(shareId: string): Sql {
  return sql`NOT EXISTS (SELECT 1 FROM resource_shares WHERE share_id = ${shareId})`;
}

export interface SharePage {
  beforeId: string | null;
  limit: number;
}

/** Newest first. Only for who has been found to be allowed to see them. */
export async function selectSharesOfDocument(db: Database, documentId: string, page: SharePage): Promise<Share[]> {
  return selectShares(db, sql`s.resource_type = 'document' AND s.resource_id = ${documentId}`, page);
}

/** Those of documents that the caller sees. */
export async function selectSharesWithGroup(
  db: Database,
  subject: Subject,
  groupId: string,
  page: SharePage,
): Promise<Share[]> {
  const isVisible = sql`s.resource_id IN (SELECT document_id FROM ${visibleDocuments(subject)})`;
  return selectShares(db, sql`s.grantee_group_id = ${groupId} AND s.resource_type = 'document' AND ${isVisible}`, page);
}

async function selectShares(db: Database, condition: Sql, { beforeId, limit }: SharePage): Promise<Share[]> {
  const older = beforeId === null ? sql`1` : sql`s.share_id < ${beforeId}`;
  const rows = await db.query(sql`SELECT ${SHARE_COLUMNS} FROM resource_shares s
    WHERE ${condition} AND ${isLive} AND ${older} ORDER BY s.share_id DESC LIMIT ${limit}`);
  return rows.map(toShare);
}

export function requireShareList(subject: Subject, documentId: string): Statement[] {
  return [
    requireThat(sql`${levelOnDocument(subject, documentId)} >= ${LEVELS.read}`, 'not_found'),
    requireThat(sql`${levelOnDocument(subject, documentId)} >= ${LEVELS.manage}`, 'forbidden'),
  ];
}

export async function selectShare(db: Database, shareId: string): Promise<Share | null> {
  const rows = await db.query(
    sql`SELECT ${SHARE_COLUMNS} FROM resource_shares s WHERE s.share_id = ${shareId} AND ${isLive}`,
  );
  return rows[0] === undefined ? null : toShare(rows[0]);
}

/**
 * Who may end a share: whoever manages the document (one for managing: the owner), whoever it was given to, and the admins of
 * the group it was given to. It is seen by these and by the other members of the group.
 */
export function requireMayEndShare(subject: Subject, { shareId, resourceId, grantee, permission }: Share): Statement[] {
  const level = levelOnDocument(subject, resourceId);
  const isMine = grantee.type === 'user' && grantee.id === subject.userId && subject.groupId === null ? sql`1` : sql`0`;
  const role = grantee.type === 'group' ? roleInGroup(subject, grantee.id) : sql`NULL`;
  const needed = permission === 'manage' ? LEVELS.owner : LEVELS.manage;
  return [
    requireThat(
      sql`EXISTS (SELECT 1 FROM resource_shares s WHERE s.share_id = ${shareId} AND s.level = ${levelOf(permission)})
      AND (${isMine} OR ${role} IS NOT NULL OR ${level} >= ${LEVELS.manage})`,
      'not_found',
    ),
    requireThat(sql`${isMine} OR ${role} = 'admin' OR ${level} >= ${needed}`, 'forbidden'),
  ];
}

export function deleteShare(shareId: string): Statement {
  return sql`DELETE FROM resource_shares WHERE share_id = ${shareId}`;
}

function isTo(documentId: string, { type, id }: Grantee): Sql {
  const grantee = type === 'user' ? sql`s.grantee_user_id = ${id}` : sql`s.grantee_group_id = ${id}`;
  return sql`${grantee} AND s.resource_type = 'document' AND s.resource_id = ${documentId}`;
}

function levelOf(permission: Permission): number {
  return LEVELS[permission];
}

export function toShare(row: Row): Share {
  return {
    shareId: row.share_id as string,
    resourceType: row.resource_type as SharedType,
    resourceId: row.resource_id as string,
    grantee: { type: row.grantee_type as GranteeType, id: row.grantee_id as string },
    permission: PERMISSIONS[(row.level as number) - 1]!,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number | null,
  };
}
