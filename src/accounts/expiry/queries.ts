import { now, type Statement, sql } from '../../db/sql.ts';

// One slice each, the longest expired first. None of them has counted since its instant; this is housekeeping.

export function deleteExpiredShares(limit: number): Statement {
  return sql`DELETE FROM resource_shares WHERE share_id IN (SELECT share_id FROM resource_shares
    WHERE expires_at IS NOT NULL AND expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}

/** Never the last admin of a group: an admin with an end is not counted as one. */
export function deleteExpiredMemberships(limit: number): Statement {
  return sql`DELETE FROM group_memberships WHERE (group_id, user_id) IN (SELECT group_id, user_id FROM group_memberships
    WHERE expires_at IS NOT NULL AND expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}

export function deleteExpiredInvitations(limit: number): Statement {
  return sql`DELETE FROM invitations WHERE invitation_id IN (SELECT invitation_id FROM invitations
    WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}

/** With their refresh tokens. */
export function deleteExpiredSessions(limit: number): Statement {
  return sql`DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions
    WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}

export function deleteExpiredTokens(limit: number): Statement {
  return sql`DELETE FROM refresh_tokens WHERE token_hash IN (SELECT token_hash FROM refresh_tokens
    WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}
