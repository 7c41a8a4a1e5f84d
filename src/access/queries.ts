import { type Database, requireThat } from '../db/database.ts';
import { now, type Row, type Statement, sql } from '../db/sql.ts';
import type { KnownMemberships, Level, Scope, Subject, SystemRole } from './subject.ts';

/** What a user may do beside what is theirs or shared with them, in one snapshot. */
export interface Rights {
  systemRoles: SystemRole[];
  memberships: KnownMemberships;
}

/** A user who is active at this instant, and the epoch of their rights. */
export interface ActiveUser {
  userId: string;
  epoch: number;
}

/** Every use would be a write; one a minute says as much. */
const USE_STALE_MS = 60_000;

/** The user of a session that is neither revoked nor over; null otherwise, also when the session is another user's. */
export async function selectUserBySession(db: Database, sessionId: string, userId: string): Promise<ActiveUser | null> {
  const rows = await db.query(sql`SELECT u.user_id, u.authz_epoch
    FROM sessions s JOIN users u ON u.user_id = s.user_id
    WHERE s.session_id = ${sessionId} AND s.user_id = ${userId}
      AND s.revoked_at IS NULL AND s.expires_at > ${now} AND u.status = 'active'`);
  return rows[0] === undefined ? null : toActiveUser(rows[0]);
}

/** Null where the user is disabled or gone. One statement, so that rights and epoch belong together. */
export async function selectRights(db: Database, userId: string): Promise<Rights | null> {
  const rows = await db.query(sql`SELECT u.authz_epoch,
      (SELECT json_group_array(role) FROM user_roles r WHERE r.user_id = u.user_id) AS roles,
      (SELECT json_group_array(json_array(group_id, role, expires_at)) FROM group_memberships m
        WHERE m.user_id = u.user_id AND (expires_at IS NULL OR expires_at > ${now})) AS memberships
    FROM users u WHERE u.user_id = ${userId} AND u.status = 'active'`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    systemRoles: JSON.parse(row.roles as string) as SystemRole[],
    memberships: { epoch: row.authz_epoch as number, list: row.memberships as string },
  };
}

export interface UsableApiKey {
  keyId: string;
  secretHash: string;
  scopes: Scope[];
  /** No right above this one; null: as far as the scopes go. */
  levelCap: Level | null;
  /** The only group whose documents it is for; null: all that its user may see. */
  groupId: string | null;
  user: ActiveUser;
  /** Its last use is unknown or more than a minute old. */
  useIsStale: boolean;
}

/** A key that has not expired, of an active user. */
export async function selectUsableApiKey(db: Database, keyId: string): Promise<UsableApiKey | null> {
  const rows =
    await db.query(sql`SELECT u.user_id, u.authz_epoch, k.key_id, k.secret_hash, k.scopes, k.level_cap, k.group_id,
      coalesce(k.last_used_at, 0) < ${now} - ${USE_STALE_MS} AS use_is_stale
    FROM api_keys k JOIN users u ON u.user_id = k.user_id
    WHERE k.key_id = ${keyId} AND (k.expires_at IS NULL OR k.expires_at > ${now}) AND u.status = 'active'`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    keyId: row.key_id as string,
    secretHash: row.secret_hash as string,
    scopes: JSON.parse(row.scopes as string) as Scope[],
    levelCap: row.level_cap as Level | null,
    groupId: row.group_id as string | null,
    user: toActiveUser(row),
    useIsStale: row.use_is_stale === 1,
  };
}

/** Whether the key was not deleted; it may have expired. */
export async function hasApiKey(db: Database, keyId: string): Promise<boolean> {
  return (await db.query(sql`SELECT 1 FROM api_keys WHERE key_id = ${keyId}`)).length > 0;
}

export function recordApiKeyUse(keyId: string): Statement {
  return sql`UPDATE api_keys SET last_used_at = ${now}
    WHERE key_id = ${keyId} AND coalesce(last_used_at, 0) < ${now} - ${USE_STALE_MS}`;
}

export interface StoredSigningKey {
  kid: string;
  publicJwk: string;
  privateSealed: Uint8Array;
  /** next: published, signs later; active: signs; retired: signs no more. All of them verify. */
  state: 'active' | 'next' | 'retired';
}

/** The active key first, then the next one. */
export async function selectSigningKeys(db: Database): Promise<StoredSigningKey[]> {
  const rows = await db.query(sql`SELECT kid, public_jwk, private_sealed, state FROM signing_keys
    ORDER BY state, created_at DESC`);
  return rows.map((row) => ({
    kid: row.kid as string,
    publicJwk: row.public_jwk as string,
    privateSealed: row.private_sealed as Uint8Array,
    state: row.state as StoredSigningKey['state'],
  }));
}

/** Adds nothing where there is a key in that state already: of two processes at once, one wins. */
export function insertSigningKey(key: StoredSigningKey): Statement {
  return sql`INSERT INTO signing_keys (kid, public_jwk, private_sealed, state, created_at, state_since)
    VALUES (${key.kid}, ${key.publicJwk}, ${key.privateSealed}, ${key.state}, ${now}, ${now})
    ON CONFLICT (state) WHERE state <> 'retired' DO NOTHING`;
}

/** Whether the active key is at least this old and none waits to follow it. */
export async function needsNextSigningKey(db: Database, maxAgeMs: number): Promise<boolean> {
  const rows = await db.query(sql`SELECT 1 FROM signing_keys a
    WHERE a.state = 'active' AND a.state_since <= ${now} - ${maxAgeMs}
      AND NOT EXISTS (SELECT 1 FROM signing_keys n WHERE n.state = 'next')`);
  return rows.length > 0;
}

/** Lets the next key sign, if it has been published for that long; the last statement answers its `kid`. */
export function promoteSigningKey(publishedMs: number): Statement[] {
  const isDue = sql`n.state = 'next' AND n.state_since <= ${now} - ${publishedMs}`;
  return [
    sql`UPDATE signing_keys SET state = 'retired', state_since = ${now}
      WHERE state = 'active' AND EXISTS (SELECT 1 FROM signing_keys n WHERE ${isDue})`,
    sql`UPDATE signing_keys AS n SET state = 'active', state_since = ${now} WHERE ${isDue} RETURNING kid`,
  ];
}

/** Keys that signed their last token that long ago. */
export function deleteRetiredSigningKeys(retiredMs: number): Statement {
  return sql`DELETE FROM signing_keys WHERE state = 'retired' AND state_since <= ${now} - ${retiredMs}`;
}

export function deleteAllSigningKeys(): Statement {
  return sql`DELETE FROM signing_keys`;
}

function toActiveUser(row: Row): ActiveUser {
  return { userId: row.user_id as string, epoch: row.authz_epoch as number };
}

/** For what cannot be undone or gives away power: a token that was left behind must not be enough. */
const RECENT_SIGN_IN_MS = 5 * 60_000;

/** Aborts the batch with sign_in_again unless the caller's session began within the last five minutes. */
export function requireRecentSignIn(subject: Subject): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM sessions WHERE session_id = ${subject.credentialId} AND user_id = ${subject.userId}
      AND created_at > ${now} - ${RECENT_SIGN_IN_MS})`,
    'sign_in_again',
  );
}
