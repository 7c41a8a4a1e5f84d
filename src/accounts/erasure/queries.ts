import type { Subject } from '../../access/index.ts';
import { type Database, requireThat } from '../../db/database.ts';
import { now, type Statement, sql } from '../../db/sql.ts';

/** The password that the caller has given is still the account's; aborts the batch with wrong_password where it is not. */
export function requirePassword(userId: string, passwordHash: string): Statement {
  return requireThat(
    sql`(SELECT password_hash FROM credentials WHERE user_id = ${userId}) IS ${passwordHash}`,
    'wrong_password',
  );
}

/** Aborts the batch with invalid_credentials when the session has ended meanwhile. */
export function requireLiveSession(subject: Subject): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM sessions WHERE session_id = ${subject.credentialId} AND user_id = ${subject.userId}
      AND revoked_at IS NULL AND expires_at > ${now})`,
    'invalid_credentials',
  );
}

/**
 * From here on nobody has the account, and nothing in its row says whose it was. Triggers abort the batch with last_admin or
 * last_super_admin.
 */
export function markErased(userId: string): Statement {
  return sql`UPDATE users SET status = 'erased', email_sealed = zeroblob(0), name_sealed = NULL, updated_at = ${now}
    WHERE user_id = ${userId} AND status <> 'erased'`;
}

/** Everything by which somebody signs in; refresh tokens go with their sessions, invitations of an address with the address. */
export function deleteSignIns(userId: string): Statement[] {
  return [
    sql`DELETE FROM user_identifiers WHERE user_id = ${userId}`,
    sql`DELETE FROM credentials WHERE user_id = ${userId}`,
    sql`DELETE FROM sessions WHERE user_id = ${userId}`,
    sql`DELETE FROM api_keys WHERE user_id = ${userId}`,
    sql`DELETE FROM one_time_tokens WHERE user_id = ${userId}`,
    sql`DELETE FROM oidc_attempts WHERE link_user_id = ${userId}`,
    sql`DELETE FROM sign_in_codes WHERE user_id = ${userId}`,
  ];
}

/** Everything that was given to the user, and the invitations they have sent. */
export function deleteRights(userId: string): Statement[] {
  return [
    sql`DELETE FROM user_roles WHERE user_id = ${userId}`,
    sql`DELETE FROM group_memberships WHERE user_id = ${userId}`,
    sql`DELETE FROM invitations WHERE invited_by = ${userId}`,
    sql`DELETE FROM resource_shares WHERE grantee_user_id = ${userId}`,
  ];
}

/** The accounts that are being erased, the oldest first. */
export async function selectErased(db: Database): Promise<string[]> {
  const rows = await db.query<{ user_id: string }>(
    sql`SELECT user_id FROM users WHERE status = 'erased' ORDER BY updated_at LIMIT 100`,
  );
  return rows.map(({ user_id }) => user_id);
}

/** The last trace; stays while there is something left that no foreign key would take along. Answers the row that went. */
export function deleteErasedUser(userId: string): Statement {
  return sql`DELETE FROM users WHERE user_id = ${userId} AND status = 'erased'
      AND NOT EXISTS (SELECT 1 FROM documents WHERE owner_id = ${userId})
      AND NOT EXISTS (SELECT 1 FROM jobs WHERE owner_id = ${userId})
      AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE caller = ${userId})
      AND NOT EXISTS (SELECT 1 FROM job_lanes WHERE tenant = ${userId})
      AND NOT EXISTS (SELECT 1 FROM audit_log WHERE actor_id = ${userId})
      AND NOT EXISTS (SELECT 1 FROM audit_log WHERE concerned_id = ${userId})
      AND NOT EXISTS (SELECT 1 FROM audit_log WHERE target_type = 'user' AND target_id = ${userId})
    RETURNING 1 AS gone`;
}
