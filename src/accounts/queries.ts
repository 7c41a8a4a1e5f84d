import { LEVELS, roleInGroup, type Scope, type Subject, type SystemRole } from '../access/index.ts';
import { type Database, requireThat } from '../db/database.ts';
import { now, type Row, type Statement, sql } from '../db/sql.ts';
import { deleteTransfersOf, endSharesOfDocumentsOf } from '../documents/index.ts';
import type { ApiKey } from './api-key.ts';
import type { EmailState, GroupMembership, SealedUser } from './user.ts';

const DAY_MS = 86_400_000;
/** A session ends when it is not refreshed for this long … */
const REFRESH_TOKEN_MS = 14 * DAY_MS;
/** … and at this age in any case. */
const SESSION_MS = 90 * DAY_MS;
/** How long a refresh whose answer was lost may be repeated. */
const REPEAT_MS = 10_000;

/** What a one-time token is for. `reset_by_mail` came by mail, `reset_by_link` from an administrator. */
export type TokenPurpose = 'verify_email' | 'reset_by_mail' | 'reset_by_link';

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

export function insertUser(
  user: Omit<SealedUser, 'createdAt'>,
  emailState: EmailState,
): Statement<{ created_at: number }> {
  return sql`INSERT INTO users (user_id, email_sealed, name_sealed, email_state, created_at, updated_at)
    VALUES (${user.userId}, ${user.emailSealed}, ${user.nameSealed}, ${emailState}, ${now}, ${now}) RETURNING created_at`;
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

export async function selectActiveUserByEmail(db: Database, emailHmac: string): Promise<EmailRecipient | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, u.email_state, c.password_hash
    FROM user_identifiers i JOIN users u ON u.user_id = i.user_id LEFT JOIN credentials c ON c.user_id = u.user_id
    WHERE i.kind = 'email' AND i.hmac = ${emailHmac} AND u.status = 'active'`);
  return rows[0] === undefined ? null : toEmailRecipient(rows[0]);
}

export interface EmailRecipient extends UserCredential {
  emailState: EmailState;
}

export async function selectActiveUserById(db: Database, userId: string): Promise<EmailRecipient | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, u.email_state, c.password_hash
    FROM users u LEFT JOIN credentials c ON c.user_id = u.user_id
    WHERE u.user_id = ${userId} AND u.status = 'active'`);
  return rows[0] === undefined ? null : toEmailRecipient(rows[0]);
}

/** What the user's address is found by. */
export async function selectEmailHmac(db: Database, userId: string): Promise<string | null> {
  const rows = await db.query(sql`SELECT hmac FROM user_identifiers WHERE user_id = ${userId} AND kind = 'email'`);
  return (rows[0]?.hmac as string | undefined) ?? null;
}

/** Sets the password, whether there was one or not. */
export function upsertCredential(userId: string, passwordHash: string): Statement {
  return sql`INSERT INTO credentials (user_id, password_hash, updated_at) VALUES (${userId}, ${passwordHash}, ${now})
    ON CONFLICT DO UPDATE SET password_hash = excluded.password_hash, updated_at = excluded.updated_at`;
}

/** Sets another password, and aborts the batch with wrong_password where it is not the one that was checked any more. */
export function changeCredential(userId: string, oldHash: string, newHash: string): Statement[] {
  return [replacePasswordHash(userId, oldHash, newHash), requireThat(sql`changes() = 1`, 'wrong_password')];
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

// For the operator of the machine

export interface SealedAccountSummary {
  user: SealedUser;
  status: 'active' | 'disabled';
  emailState: EmailState;
  systemRoles: SystemRole[];
}

/** Newest first. */
export async function selectAccountSummaries(db: Database, limit: number): Promise<SealedAccountSummary[]> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, u.status, u.email_state,
      (SELECT json_group_array(role ORDER BY role) FROM user_roles r WHERE r.user_id = u.user_id) AS roles
    FROM users u WHERE u.status <> 'erased' ORDER BY u.created_at DESC, u.user_id DESC LIMIT ${limit}`);
  return rows.map((row) => ({
    user: toSealedUser(row),
    status: row.status as SealedAccountSummary['status'],
    emailState: row.email_state as EmailState,
    systemRoles: JSON.parse(row.roles as string) as SystemRole[],
  }));
}

/** Whose an address is, active or not. */
export async function selectUserIdByEmail(db: Database, emailHmac: string): Promise<string | null> {
  const rows = await db.query(sql`SELECT user_id FROM user_identifiers WHERE kind = 'email' AND hmac = ${emailHmac}`);
  return (rows[0]?.user_id as string | undefined) ?? null;
}

export function setUserStatus(userId: string, status: 'active' | 'disabled'): Statement {
  return sql`UPDATE users SET status = ${status}, updated_at = ${now} WHERE user_id = ${userId} AND status <> ${status}`;
}

/** Nothing happens where the user has the role. */
export function addUserRole(userId: string, role: SystemRole): Statement {
  return sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${userId}, ${role}, ${now}) ON CONFLICT DO NOTHING`;
}

export function deleteUserRole(userId: string, role: SystemRole): Statement {
  return sql`DELETE FROM user_roles WHERE user_id = ${userId} AND role = ${role}`;
}

// Sessions

export function insertSession(sessionId: string, userId: string): Statement {
  return sql`INSERT INTO sessions (session_id, user_id, created_at, expires_at)
    VALUES (${sessionId}, ${userId}, ${now}, ${now} + ${SESSION_MS})`;
}

/** Valid for fourteen days, but not beyond the end of its session. One that is there already stays as it is. */
export function insertRefreshToken(sessionId: string, tokenHash: string): Statement {
  return sql`INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
    SELECT ${tokenHash}, session_id, ${now}, min(${now} + ${REFRESH_TOKEN_MS}, expires_at)
    FROM sessions WHERE session_id = ${sessionId} ON CONFLICT DO NOTHING`;
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
 * Spends a refresh token, so that its successor may be added, and aborts the batch with invalid_credentials where it cannot be
 * spent. The condition is inside the one UPDATE, so of any number of callers with the same token one goes on. Who comes again
 * under the same key within `REPEAT_MS`, before the successor is used, goes on as well: the answer may have been lost.
 */
export function spendRefreshToken(
  tokenHash: string,
  { successorHash, repeatHash }: { successorHash: string; repeatHash: string | null },
): Statement[] {
  const isUsable = sql`EXISTS (SELECT 1 FROM sessions s JOIN users u ON u.user_id = s.user_id
    WHERE s.session_id = t.session_id AND s.revoked_at IS NULL AND s.expires_at > ${now} AND u.status = 'active')`;
  const spend = sql`UPDATE refresh_tokens AS t SET used_at = ${now}, repeat_hash = ${repeatHash}
    WHERE t.token_hash = ${tokenHash} AND t.used_at IS NULL AND t.expires_at > ${now} AND ${isUsable}`;
  const isRepeated = sql`EXISTS (SELECT 1 FROM refresh_tokens t
    WHERE t.token_hash = ${tokenHash} AND t.repeat_hash = ${repeatHash} AND t.used_at > ${now} - ${REPEAT_MS} AND ${isUsable}
      AND NOT EXISTS (SELECT 1 FROM refresh_tokens n WHERE n.token_hash = ${successorHash} AND n.used_at IS NOT NULL))`;
  return [spend, requireThat(sql`changes() = 1 OR ${isRepeated}`, 'invalid_credentials')];
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

/** Every session of the user but this one, if one is named. */
export function revokeSessions(userId: string, exceptSessionId: string | null = null): Statement {
  return sql`UPDATE sessions SET revoked_at = ${now}
    WHERE user_id = ${userId} AND revoked_at IS NULL AND session_id IS NOT ${exceptSessionId}`;
}

export function deleteEndedSessions(userId: string): Statement {
  return sql`DELETE FROM sessions WHERE user_id = ${userId} AND (revoked_at IS NOT NULL OR expires_at <= ${now})`;
}

// Proofs of an address

/** A token that does one thing once; the earlier ones of the same purpose are over. */
export function insertOneTimeToken(token: {
  tokenHash: string;
  purpose: TokenPurpose;
  userId: string;
  lifeMs: number;
}): Statement[] {
  const { tokenHash, purpose, userId, lifeMs } = token;
  return [
    sql`DELETE FROM one_time_tokens WHERE user_id = ${userId} AND purpose = ${purpose}`,
    sql`INSERT INTO one_time_tokens (token_hash, purpose, user_id, created_at, expires_at)
      VALUES (${tokenHash}, ${purpose}, ${userId}, ${now}, ${now} + ${lifeMs}) RETURNING expires_at`,
  ];
}

/** The purpose and the active user of a token that can still be used. */
export async function selectOneTimeToken(
  db: Database,
  tokenHash: string,
): Promise<{ purpose: TokenPurpose; user: SealedUser } | null> {
  const rows = await db.query(sql`SELECT ${USER_COLUMNS}, t.purpose
    FROM one_time_tokens t JOIN users u ON u.user_id = t.user_id
    WHERE t.token_hash = ${tokenHash} AND t.expires_at > ${now} AND u.status = 'active'`);
  const row = rows[0];
  return row === undefined ? null : { purpose: row.purpose as TokenPurpose, user: toSealedUser(row) };
}

/** Uses up a token, and aborts the batch with invalid_token where it cannot be used: of any number of callers one goes on. */
export function spendOneTimeToken(tokenHash: string, purpose: TokenPurpose, userId: string): Statement[] {
  return [
    sql`DELETE FROM one_time_tokens WHERE token_hash = ${tokenHash} AND purpose = ${purpose} AND user_id = ${userId}
      AND expires_at > ${now}`,
    requireThat(sql`changes() = 1`, 'invalid_token'),
  ];
}

/** Everything that could still end in a change of the account: whoever sets a new password ends that too. */
export function deletePendingSignIns(userId: string): Statement[] {
  return [
    sql`DELETE FROM one_time_tokens WHERE user_id = ${userId}`,
    sql`DELETE FROM oidc_attempts WHERE link_user_id = ${userId}`,
    sql`DELETE FROM sign_in_codes WHERE user_id = ${userId}`,
  ];
}

/** Rows that only wait for their end: tokens, sign-ins elsewhere, codes. */
export function deleteOverdueSignIns(): Statement[] {
  return [
    sql`DELETE FROM one_time_tokens WHERE expires_at <= ${now}`,
    sql`DELETE FROM oidc_attempts WHERE expires_at <= ${now}`,
    sql`DELETE FROM sign_in_codes WHERE expires_at <= ${now}`,
  ];
}

export function proveEmail(userId: string): Statement {
  return sql`UPDATE users SET email_state = 'proven', updated_at = ${now}
    WHERE user_id = ${userId} AND email_state <> 'proven'`;
}

/**
 * Takes from an unproven account everything that whoever made it could come back with, for the one who has proven the
 * address; nothing happens to other accounts. To be run before the proof is written. What the account owns stays, but nobody
 * else sees it any more: adding the same source again would put what is new into a document that its first maker has shared.
 */
export function reclaimAccount(userId: string): Statement[] {
  const unproven = sql`(SELECT user_id FROM users WHERE user_id = ${userId} AND email_state = 'unproven')`;
  return [
    sql`DELETE FROM credentials WHERE user_id IN ${unproven}`,
    sql`DELETE FROM sessions WHERE user_id IN ${unproven}`,
    sql`DELETE FROM api_keys WHERE user_id IN ${unproven}`,
    sql`DELETE FROM user_identifiers WHERE kind = 'oidc' AND user_id IN ${unproven}`,
    sql`DELETE FROM one_time_tokens WHERE user_id IN ${unproven}`,
    sql`DELETE FROM oidc_attempts WHERE link_user_id IN ${unproven}`,
    sql`DELETE FROM sign_in_codes WHERE user_id IN ${unproven}`,
    sql`DELETE FROM resource_shares WHERE grantee_user_id IN ${unproven}`,
    sql`DELETE FROM group_memberships WHERE user_id IN ${unproven}`,
    endSharesOfDocumentsOf(unproven),
    ...deleteTransfersOf(unproven),
    // Changes a row where there was anything to do, for the entry in the audit log.
    sql`UPDATE users SET updated_at = ${now} WHERE user_id IN ${unproven}`,
  ];
}

// API keys

export function requireInFuture(instantMs: number): Statement {
  return requireThat(sql`${instantMs} > ${now}`, 'validation_failed');
}

const PERMISSIONS = ['read', 'write', 'manage'] as const;
const API_KEY_COLUMNS = sql`key_id, name, scopes, level_cap, group_id, expires_at, created_at, last_used_at`;

/** Aborts the batch with not_found where the caller is not in the group. */
export function requireMembership(subject: Subject, groupId: string): Statement {
  return requireThat(sql`${roleInGroup(subject, groupId)} IS NOT NULL`, 'not_found');
}

export function insertApiKey(
  key: Omit<ApiKey, 'createdAt' | 'lastUsedAt'> & { userId: string; secretHash: string },
): Statement {
  return sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, level_cap, group_id, expires_at, created_at)
    VALUES (${key.keyId}, ${key.userId}, ${key.name}, ${key.secretHash}, ${JSON.stringify(key.scopes)},
      ${key.levelCap === null ? null : LEVELS[key.levelCap]}, ${key.groupId}, ${key.expiresAt}, ${now})
    RETURNING ${API_KEY_COLUMNS}`;
}

/** Newest first; `before` is the last key of the page before. */
export async function selectApiKeys(
  db: Database,
  userId: string,
  page: { before: { createdAt: number; keyId: string } | null; limit: number },
): Promise<ApiKey[]> {
  const before = page.before;
  const older = before === null ? sql`1` : sql`(created_at, key_id) < (${before.createdAt}, ${before.keyId})`;
  const rows = await db.query(sql`SELECT ${API_KEY_COLUMNS} FROM api_keys
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
    levelCap: PERMISSIONS.find((permission) => LEVELS[permission] === row.level_cap) ?? null,
    groupId: row.group_id as string | null,
    expiresAt: row.expires_at as number | null,
    createdAt: row.created_at as number,
    lastUsedAt: row.last_used_at as number | null,
  };
}

function toEmailRecipient(row: Row): EmailRecipient {
  return {
    user: toSealedUser(row),
    passwordHash: row.password_hash as string | null,
    emailState: row.email_state as EmailState,
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
