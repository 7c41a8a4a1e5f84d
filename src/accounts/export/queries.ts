import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';

// What belongs to a user and is shown by no list of the API, or by one that is narrower. Instants are milliseconds.

export async function selectAccountDetails(db: Database, userId: string) {
  const [row] = await db.query<{ email_state: string; has_password: number; identities: number }>(
    sql`SELECT u.email_state, EXISTS (SELECT 1 FROM credentials c WHERE c.user_id = u.user_id) AS has_password,
      (SELECT count(*) FROM user_identifiers i WHERE i.user_id = u.user_id AND i.kind = 'oidc') AS identities
    FROM users u WHERE u.user_id = ${userId}`,
  );
  return row;
}

export interface MembershipRow {
  group_id: string;
  name: string;
  role: string;
  created_at: number;
  expires_at: number | null;
}

/** In the order of joining. */
export function selectMemberships(db: Database, userId: string): Promise<MembershipRow[]> {
  return db.query(sql<MembershipRow>`SELECT m.group_id, g.name, m.role, m.created_at, m.expires_at
    FROM group_memberships m JOIN groups g ON g.group_id = m.group_id
    WHERE m.user_id = ${userId} ORDER BY m.created_at, m.group_id`);
}

export interface SessionRow {
  session_id: string;
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
}

export function selectSessions(db: Database, userId: string): Promise<SessionRow[]> {
  return db.query(sql<SessionRow>`SELECT session_id, created_at, expires_at, revoked_at FROM sessions
    WHERE user_id = ${userId} ORDER BY created_at, session_id`);
}

export interface ReceivedShareRow {
  share_id: string;
  resource_type: string;
  resource_id: string;
  level: number;
  created_at: number;
  expires_at: number | null;
}

/** What is shared with the user themselves, by what is shared. */
export function selectSharesTo(
  db: Database,
  userId: string,
  page: { afterId: string; limit: number },
): Promise<ReceivedShareRow[]> {
  return db.query(sql<ReceivedShareRow>`SELECT share_id, resource_type, resource_id, level, created_at, expires_at
    FROM resource_shares WHERE grantee_user_id = ${userId} AND resource_type = 'document' AND resource_id > ${page.afterId}
    ORDER BY resource_id LIMIT ${page.limit}`);
}

export interface GivenShareRow {
  share_id: string;
  grantee_type: string;
  grantee_id: string;
  level: number;
  created_at: number;
  expires_at: number | null;
}

/** Of a document of the user's. */
export function selectSharesOf(db: Database, userId: string, documentId: string): Promise<GivenShareRow[]> {
  return db.query(sql<GivenShareRow>`SELECT s.share_id, s.grantee_type, s.grantee_id, s.level, s.created_at, s.expires_at
    FROM documents d CROSS JOIN resource_shares s ON s.resource_type = 'document' AND s.resource_id = d.document_id
    WHERE d.document_id = ${documentId} AND d.owner_id = ${userId} ORDER BY s.share_id`);
}

export interface InvitationRow {
  invitation_id: string;
  group_id: string;
  email_sealed: Uint8Array;
  role: string;
  is_sent: number;
  created_at: number;
  expires_at: number;
}

/** Sent by the user, and to their address. */
export function selectInvitationsOf(db: Database, userId: string): Promise<InvitationRow[]> {
  return db.query(sql<InvitationRow>`SELECT invitation_id, group_id, email_sealed, role, invited_by = ${userId} AS is_sent,
      created_at, expires_at
    FROM invitations WHERE invited_by = ${userId}
      OR email_hmac IN (SELECT hmac FROM user_identifiers WHERE user_id = ${userId} AND kind = 'email')
    ORDER BY created_at, invitation_id`);
}
