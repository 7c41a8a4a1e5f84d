import type { Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { joinSql, now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { AuditAction, AuditTarget, AuditTargetType } from './actions.ts';

export interface NewAuditEntry {
  subject: Subject;
  action: AuditAction;
  target: AuditTarget;
  concernedId: string | null;
  /** JSON text. */
  detail: Sql;
  traceId: string | null;
  condition: Sql;
}

export function insertAuditEntry(entry: NewAuditEntry): Statement {
  const { subject, target } = entry;
  return sql`INSERT INTO audit_log (at, actor_id, via, credential_id, action, target_type, target_id, concerned_id, detail, trace_id)
    SELECT ${now}, ${subject.userId}, ${subject.via}, ${subject.credentialId}, ${entry.action}, ${target.type},
      ${target.id}, ${entry.concernedId}, ${entry.detail}, ${entry.traceId}
    WHERE ${entry.condition}`;
}

export function detailText(detail: Readonly<Record<string, unknown>>): Sql {
  return sql`${JSON.stringify(detail)}`;
}

export const always: Sql = sql`1`;

/** The statement before it in the batch has changed at least one row. */
export const hasChanged: Sql = sql`changes() > 0`;

/** The actor has left no such entry within the time before. */
export function isNewSince(
  subject: Subject,
  { action, target, withinMs }: Pick<NewAuditEntry, 'action' | 'target'> & { withinMs: number },
): Sql {
  return sql`NOT EXISTS (SELECT 1 FROM audit_log WHERE target_type = ${target.type} AND target_id = ${target.id}
    AND action = ${action} AND actor_id = ${subject.userId} AND at > ${now} - ${withinMs})`;
}

/**
 * For a user who is being erased, or whose row is gone: what was done stays on record, by and to somebody whom no id leads to
 * any more. The entries of one pseudonym keep belonging together. A slice per call: each statement answers what it changed, and
 * when none answers anything there is nothing left.
 */
export function anonymiseAudit(userId: string, pseudonym: `erased-${string}`): Statement[] {
  const slice = (isTheirs: Sql) =>
    sql`seq IN (SELECT seq FROM audit_log WHERE ${isTheirs} LIMIT 1000) RETURNING 1 AS changed`;
  return [
    sql`UPDATE audit_log SET actor_id = ${pseudonym}, credential_id = NULL WHERE ${slice(sql`actor_id = ${userId}`)}`,
    sql`UPDATE audit_log SET concerned_id = ${pseudonym} WHERE ${slice(sql`concerned_id = ${userId}`)}`,
    sql`UPDATE audit_log SET target_id = ${pseudonym}
      WHERE ${slice(sql`target_type = 'user' AND target_id = ${userId}`)}`,
  ];
}

/** An entry as it was written. Instants are milliseconds by the database's clock. */
export interface AuditEntry {
  seq: number;
  at: number;
  actorId: string | null;
  via: Subject['via'];
  credentialId: string | null;
  action: AuditAction;
  targetType: AuditTargetType;
  targetId: string;
  concernedId: string | null;
  detail: Record<string, unknown>;
  traceId: string | null;
}

export interface AuditFilter {
  action: AuditAction | null;
  actorId: string | null;
  /** Did it, or it was done to or for them. */
  userId: string | null;
  targetType: AuditTargetType | null;
  targetId: string | null;
  /** At this instant or later … */
  since: number | null;
  /** … and before this one. */
  until: number | null;
  beforeSeq: number | null;
  limit: number;
}

/** Newest first. */
export async function selectAuditEntries(db: Database, filter: AuditFilter): Promise<AuditEntry[]> {
  const { action, actorId, userId, targetType, targetId, since, until, beforeSeq } = filter;
  const conditions: Sql[] = [sql`1`];
  if (action !== null) conditions.push(sql`action = ${action}`);
  if (actorId !== null) conditions.push(sql`actor_id = ${actorId}`);
  if (userId !== null) {
    conditions.push(sql`(actor_id = ${userId} OR concerned_id = ${userId}
      OR (target_type = 'user' AND target_id = ${userId}))`);
  }
  if (targetType !== null) conditions.push(sql`target_type = ${targetType}`);
  if (targetId !== null) conditions.push(sql`target_id = ${targetId}`);
  if (since !== null) conditions.push(sql`at >= ${since}`);
  if (until !== null) conditions.push(sql`at < ${until}`);
  if (beforeSeq !== null) conditions.push(sql`seq < ${beforeSeq}`);
  const rows = await db.query(
    sql`SELECT * FROM audit_log WHERE ${joinSql(conditions, ' AND ')} ORDER BY seq DESC LIMIT ${filter.limit}`,
    { offThread: true },
  );
  return rows.map(toEntry);
}

function toEntry(row: Row): AuditEntry {
  return {
    seq: row.seq as number,
    at: row.at as number,
    actorId: row.actor_id as string | null,
    via: row.via as Subject['via'],
    credentialId: row.credential_id as string | null,
    action: row.action as AuditAction,
    targetType: row.target_type as AuditTargetType,
    targetId: row.target_id as string,
    concernedId: row.concerned_id as string | null,
    detail: JSON.parse(row.detail as string),
    traceId: row.trace_id as string | null,
  };
}
