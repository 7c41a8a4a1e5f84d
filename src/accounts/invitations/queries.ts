import { type Database, requireThat } from '../../db/database.ts';
import { now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import type { GroupRole } from '../groups/group.ts';
import { isLive } from '../groups/queries.ts';
import { INVITATION_DAYS, type Invitation } from './invitation.ts';

const INVITATION_MS = INVITATION_DAYS * 86_400_000;
/** As many addresses may be asked and have not answered yet; more would be a mailing. */
const MAX_OPEN_PER_GROUP = 200;

/**
 * Invitations aliased `i` that still count: not over, and whoever invited could still do so. An admin who was demoted must not
 * get people in by what was written before.
 */
const isOpen = sql`(i.expires_at > ${now} AND EXISTS (SELECT 1 FROM group_memberships m JOIN users u ON u.user_id = m.user_id
  WHERE m.group_id = i.group_id AND m.user_id = i.invited_by AND m.role = 'admin' AND ${isLive} AND u.status = 'active'))`;

export function requireRoomForInvitation(groupId: string, emailHmac: string): Statement {
  return requireThat(
    sql`(SELECT count(*) FROM invitations WHERE group_id = ${groupId} AND email_hmac <> ${emailHmac}
      AND expires_at > ${now}) < ${MAX_OPEN_PER_GROUP}`,
    'conflict',
  );
}

/** Somebody who is in the group already is not invited. */
export function requireNoMemberByEmail(groupId: string, emailHmac: string): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM user_identifiers e JOIN group_memberships m ON m.user_id = e.user_id
      WHERE e.kind = 'email' AND e.hmac = ${emailHmac} AND m.group_id = ${groupId} AND ${isLive})`,
    'conflict',
  );
}

export interface NewInvitation {
  invitationId: string;
  groupId: string;
  emailHmac: string;
  emailSealed: Uint8Array;
  role: GroupRole;
  invitedBy: string;
  memberUntil: number | null;
  tokenHash: string;
}

/** Takes the place of an earlier one to the same address, whose token is worth nothing from then on. */
export function insertInvitation(invitation: NewInvitation): Statement[] {
  const { groupId, emailHmac } = invitation;
  return [
    sql`DELETE FROM invitations WHERE group_id = ${groupId} AND email_hmac = ${emailHmac}`,
    sql`INSERT INTO invitations (invitation_id, group_id, email_hmac, email_sealed, role, invited_by, token_hash,
        member_until, created_at, expires_at)
      VALUES (${invitation.invitationId}, ${groupId}, ${emailHmac}, ${invitation.emailSealed}, ${invitation.role},
        ${invitation.invitedBy}, ${invitation.tokenHash}, ${invitation.memberUntil}, ${now}, ${now} + ${INVITATION_MS})
      RETURNING created_at, expires_at`,
  ];
}

export interface SealedInvitation extends Omit<Invitation, 'email'> {
  emailSealed: Uint8Array;
}

/** Newest first. */
export async function selectInvitations(
  db: Database,
  groupId: string,
  page: { beforeId: string | null; limit: number },
): Promise<SealedInvitation[]> {
  const older = page.beforeId === null ? sql`1` : sql`i.invitation_id < ${page.beforeId}`;
  const rows = await db.query(sql`SELECT i.* FROM invitations i WHERE i.group_id = ${groupId} AND ${isOpen} AND ${older}
    ORDER BY i.invitation_id DESC LIMIT ${page.limit}`);
  return rows.map(toSealedInvitation);
}

export function requireInvitation(groupId: string, invitationId: string): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM invitations WHERE invitation_id = ${invitationId} AND group_id = ${groupId})`,
    'not_found',
  );
}

export function deleteInvitation(invitationId: string): Statement {
  return sql`DELETE FROM invitations WHERE invitation_id = ${invitationId}`;
}

/** What was sent to the user's own address, when they get into the group in another way. */
export function deleteInvitationsOf(groupId: string, userId: string): Statement {
  return sql`DELETE FROM invitations WHERE group_id = ${groupId}
    AND email_hmac IN (SELECT hmac FROM user_identifiers WHERE user_id = ${userId} AND kind = 'email')`;
}

// Accepting

export interface OpenInvitation {
  invitationId: string;
  groupId: string;
  invitedBy: string;
  role: GroupRole;
}

/** An open invitation with this token to an address of this user. */
function isFor(userId: string, tokenHash: string): Sql {
  return sql`i.token_hash = ${tokenHash} AND ${isOpen} AND i.email_hmac IN
    (SELECT hmac FROM user_identifiers WHERE user_id = ${userId} AND kind = 'email')`;
}

export async function selectInvitationFor(
  db: Database,
  userId: string,
  tokenHash: string,
): Promise<OpenInvitation | null> {
  const rows = await db.query(sql`SELECT i.invitation_id, i.group_id, i.invited_by, i.role FROM invitations i
    WHERE ${isFor(userId, tokenHash)}`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    invitationId: row.invitation_id as string,
    groupId: row.group_id as string,
    invitedBy: row.invited_by as string,
    role: row.role as GroupRole,
  };
}

export function requireInvitationFor(userId: string, tokenHash: string): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM invitations i WHERE ${isFor(userId, tokenHash)})`, 'invalid_token');
}

/** For as long as the invitation is there. */
export function groupOfInvitation(tokenHash: string): Statement {
  return sql`(SELECT group_id FROM invitations WHERE token_hash = ${tokenHash})`;
}

/** Before an account is made for the address. */
export function requireInvitedAddress(emailHmac: string, tokenHash: string): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM invitations i WHERE i.token_hash = ${tokenHash} AND i.email_hmac = ${emailHmac} AND ${isOpen})`,
    'registration_closed',
  );
}

/** Whoever has the token from a mail reads the mail of that address. */
export function markEmailProven(userId: string): Statement {
  return sql`UPDATE users SET email_state = 'proven', updated_at = ${now} WHERE user_id = ${userId} AND email_state <> 'proven'`;
}

/** The membership that the invitation names, unless the user has one; then the invitation is used up. */
export function acceptInvitationStatements(userId: string, tokenHash: string): Statement[] {
  return [
    sql`DELETE FROM group_memberships WHERE user_id = ${userId} AND expires_at <= ${now}
      AND group_id IN (SELECT group_id FROM invitations WHERE token_hash = ${tokenHash})`,
    sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
      SELECT i.group_id, ${userId}, i.role, i.member_until, ${now}, ${now} FROM invitations i
      WHERE i.token_hash = ${tokenHash} AND (i.member_until IS NULL OR i.member_until > ${now})
        AND NOT EXISTS (SELECT 1 FROM group_memberships m WHERE m.group_id = i.group_id AND m.user_id = ${userId})`,
    sql`DELETE FROM invitations WHERE token_hash = ${tokenHash}`,
  ];
}

function toSealedInvitation(row: Row): SealedInvitation {
  return {
    invitationId: row.invitation_id as string,
    groupId: row.group_id as string,
    emailSealed: row.email_sealed as Uint8Array,
    role: row.role as GroupRole,
    invitedBy: row.invited_by as string,
    memberUntil: row.member_until as number | null,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number,
  };
}
