import type { Scope, SystemRole } from '../access/index.ts';
import { type Database, requireThat } from '../db/database.ts';
import { now, type Row, type Statement, sql } from '../db/sql.ts';
import type { ApiKey } from './api-key.ts';
import type { GroupMembership, SealedUser } from './user.ts';

const DAY_MS = 86_400_000;
/** A session ends when it is not refreshed for this long … */
const REFRESH_TOKEN_MS = 14 * DAY_MS;
/** … and at this age in any case. */
const SESSION_MS = 90 * DAY_MS;

const USER_COLUMNS = sql`u.user_id, u.email_sealed, u.name_sealed, u.created_at`;

// Users

/** Aborts the batch with email_taken where the address, or the user id that comes of it, belongs to somebody. */
export function requireFreeEmail(emailHmac: string): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM user_identifiers WHERE kind = 'email' AND hmac = ${emailHmac})
      AND NOT EXISTS (SELECT 1 FROM users WHERE user_id = ${emailHmac})`,
    'email_taken',
  );
}

export function insertUser(user: Omit<SealedUser, 'createdAt'>): Statement<{ created_at: number }> {
  return sql`INSERT INTO users (user_id, email_sealed, name_sealed, created_at, updated_at)
    VALUES (${user.userId}, ${user.emailSealed}, ${user.nameSealed}, ${now}, ${now}) RETURNING created_at`;
}

export function insertEmailIdentifier(emailHmac: string, userId: string): Statement {
  return sql`INSERT INTO user_identifiers (kind, hmac, user_id) VALUES ('email', ${emailHmac}, ${userId})`;
}

export function insertCredential(userId: string, passwordHash: string): Statement {
  return sql`INSERT INTO credentials (user_id, password_hash, updated_at) VALUES (${userId}, ${passwordHash}, ${now})`;
}

export function insertUserRole(userId: string, role: SystemRole): Statement {
  return sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${userId}, ${role}, ${now})`;
}

/** Aborts the batch with invalid_credentials unless the user is there and active. */
export function requireActiveUser(userId: string): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${userId} AND status = 'active')`,
    'invalid_credentials',
  );
}

export interface UserCredential {
  user: SealedUser;
  /** Null for a user who has no password. */
  passwordHash: string | null;
}

export async function selectActiveUserByEmail(db: Database, emailHmac: string): Promise<UserCredential | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, c.password_hash
    FROM user_identifiers i JOIN users u ON u.user_id = i.user_id LEFT JOIN credentials c ON c.user_id = u.user_id
    WHERE i.kind = 'email' AND i.hmac = ${emailHmac} AND u.status = 'active'`);
  const row = rows[0];
  return row === undefined ? null : { user: toSealedUser(row), passwordHash: row.password_hash as string | null };
}

/** Changes nothing when the password was changed meanwhile. */
export function replacePasswordHash(userId: string, oldHash: string, newHash: string): Statement {
  return sql`UPDATE credentials SET password_hash = ${newHash}, updated_at = ${now}
    WHERE user_id = ${userId} AND password_hash = ${oldHash}`;
}

export interface ProfileRow {
  user: SealedUser;
  systemRoles: SystemRole[];
  groups: GroupMembership[];
}

export async function selectProfile(db: Database, userId: string): Promise<ProfileRow | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS},
      (SELECT json_group_array(role ORDER BY role) FROM user_roles r WHERE r.user_id = u.user_id) AS roles,
      (SELECT json_group_array(json_object('groupId', g.group_id, 'name', g.name, 'role', m.role) ORDER BY g.name, g.group_id)
        FROM group_memberships m JOIN groups g ON g.group_id = m.group_id
        WHERE m.user_id = u.user_id AND (m.expires_at IS NULL OR m.expires_at > ${now})) AS groups
    FROM users u WHERE u.user_id = ${userId} AND u.status = 'active'`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    user: toSealedUser(row),
    systemRoles: JSON.parse(row.roles as string) as SystemRole[],
    groups: JSON.parse(row.groups as string) as GroupMembership[],
  };
}

// Sessions

export function insertSession(sessionId: string, userId: string): Statement {
  return sql`INSERT INTO sessions (session_id, user_id, created_at, expires_at)
    VALUES (${sessionId}, ${userId}, ${now}, ${now} + ${SESSION_MS})`;
}

/** Valid for fourteen days, but not beyond the end of its session. */
export function insertRefreshToken(sessionId: string, tokenHash: string): Statement {
  return sql`INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
    SELECT ${tokenHash}, session_id, ${now}, min(${now} + ${REFRESH_TOKEN_MS}, expires_at)
    FROM sessions WHERE session_id = ${sessionId}`;
}

export interface RefreshableSession {
  sessionId: string;
  user: SealedUser;
}

/** The session a refresh token was issued in, spent or not, if it and its user are still active. */
export async function selectSessionByRefreshToken(db: Database, tokenHash: string): Promise<RefreshableSession | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, s.session_id
    FROM refresh_tokens t JOIN sessions s ON s.session_id = t.session_id JOIN users u ON u.user_id = s.user_id
    WHERE t.token_hash = ${tokenHash} AND s.revoked_at IS NULL AND s.expires_at > ${now} AND u.status = 'active'`);
  const row = rows[0];
  return row === undefined ? null : { sessionId: row.session_id as string, user: toSealedUser(row) };
}

/**
 * Spends a refresh token and aborts the batch with invalid_credentials where it cannot be spent. The condition is inside the
 * one UPDATE, so of any number of callers with the same token one goes on.
 */
export function spendRefreshToken(tokenHash: string): Statement[] {
  const spend = sql`UPDATE refresh_tokens SET used_at = ${now}
    WHERE token_hash = ${tokenHash} AND used_at IS NULL AND expires_at > ${now}
      AND EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.user_id = s.user_id
        WHERE s.session_id = refresh_tokens.session_id AND s.revoked_at IS NULL AND s.expires_at > ${now}
          AND u.status = 'active')
    RETURNING session_id`;
  return [spend, requireThat(sql`changes() = 1`, 'invalid_credentials')];
}

/** Tokens that are over by time prove nothing any more. */
export function deleteExpiredRefreshTokens(sessionId: string): Statement {
  return sql`DELETE FROM refresh_tokens WHERE session_id = ${sessionId} AND expires_at <= ${now}`;
}

/** A spent token that comes back was copied, by the caller or by whoever spent it: nobody goes on with that session. */
export function revokeSessionOfSpentToken(tokenHash: string): Statement {
  return sql`UPDATE sessions SET revoked_at = ${now} WHERE revoked_at IS NULL
    AND session_id = (SELECT session_id FROM refresh_tokens WHERE token_hash = ${tokenHash} AND used_at IS NOT NULL)`;
}

export function revokeSession(sessionId: string): Statement {
  return sql`UPDATE sessions SET revoked_at = ${now} WHERE session_id = ${sessionId} AND revoked_at IS NULL`;
}

export function deleteEndedSessions(userId: string): Statement {
  return sql`DELETE FROM sessions WHERE user_id = ${userId} AND (revoked_at IS NOT NULL OR expires_at <= ${now})`;
}

// API keys

export function requireInFuture(instantMs: number): Statement {
  return requireThat(sql`${instantMs} > ${now}`, 'validation_failed');
}

export function insertApiKey(
  key: Pick<ApiKey, 'keyId' | 'name' | 'scopes' | 'expiresAt'> & { userId: string; secretHash: string },
): Statement {
  return sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, expires_at, created_at)
    VALUES (${key.keyId}, ${key.userId}, ${key.name}, ${key.secretHash}, ${JSON.stringify(key.scopes)},
      ${key.expiresAt}, ${now})
    RETURNING key_id, name, scopes, expires_at, created_at, last_used_at`;
}

/** Newest first; `before` is the last key of the page before. */
export async function selectApiKeys(
  db: Database,
  userId: string,
  page: { before: { createdAt: number; keyId: string } | null; limit: number },
): Promise<ApiKey[]> {
  const before = page.before;
  const older = before === null ? sql`1` : sql`(created_at, key_id) < (${before.createdAt}, ${before.keyId})`;
  const rows = await db.query(sql`SELECT key_id, name, scopes, expires_at, created_at, last_used_at FROM api_keys
    WHERE user_id = ${userId} AND ${older} ORDER BY created_at DESC, key_id DESC LIMIT ${page.limit}`);
  return rows.map(toApiKey);
}

export function deleteApiKey(keyId: string, userId: string): Statement {
  return sql`DELETE FROM api_keys WHERE key_id = ${keyId} AND user_id = ${userId} RETURNING key_id`;
}

export function toApiKey(row: Row): ApiKey {
  return {
    keyId: row.key_id as string,
    name: row.name as string,
    scopes: JSON.parse(row.scopes as string) as Scope[],
    expiresAt: row.expires_at as number | null,
    createdAt: row.created_at as number,
    lastUsedAt: row.last_used_at as number | null,
  };
}

function toSealedUser(row: Row): SealedUser {
  return {
    userId: row.user_id as string,
    emailSealed: row.email_sealed as Uint8Array,
    nameSealed: row.name_sealed as Uint8Array | null,
    createdAt: row.created_at as number,
  };
}
