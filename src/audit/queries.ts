import type { Subject } from '../access/index.ts';
import { now, type Sql, type Statement, sql } from '../db/sql.ts';
import type { AuditAction, AuditTarget } from './actions.ts';

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

/**
 * For the erasure of a user, after the row of the user is gone: what was done stays on record, by and to somebody whom no id
 * leads to any more. The entries of one person keep belonging together.
 */
export function anonymiseAudit(userId: string, pseudonym: `erased-${string}`): Statement[] {
  return [
    sql`UPDATE audit_log SET actor_id = ${pseudonym}, credential_id = NULL WHERE actor_id = ${userId}`,
    sql`UPDATE audit_log SET concerned_id = ${pseudonym} WHERE concerned_id = ${userId}`,
    sql`UPDATE audit_log SET target_id = ${pseudonym} WHERE target_type = 'user' AND target_id = ${userId}`,
  ];
}
