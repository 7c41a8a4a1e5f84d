import { randomBytes } from 'node:crypto';
import { hashOpaqueToken, openText, type Subject, sealText, userIdOf } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import { newId } from '../../base/ids.ts';
import type { Statement } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import { enqueueMail } from '../../mail/index.ts';
import type { GroupRole } from '../groups/group.ts';
import { requireFutureEnd, requireGroupRole, requireLastsNoLonger, selectReceiverByEmail } from '../groups/queries.ts';
import { validEmail } from '../new-user.ts';
import type { CreatedInvitation, Invitation, InvitationDependencies } from './invitation.ts';
import { invitationLink, invitationMail } from './invitation-mail.ts';
import {
  deleteInvitation,
  insertInvitation,
  requireInvitation,
  requireNoMemberByEmail,
  requireRoomForInvitation,
  type SealedInvitation,
  selectInvitations,
} from './queries.ts';

const TOKEN_BYTES = 32;

export interface InvitationRequest {
  readonly email: string;
  readonly role: GroupRole;
  /** When the membership will end, in milliseconds; null: never. */
  readonly memberUntil: number | null;
}

/**
 * Asks an address into a group of which the caller is an admin, whether somebody has an account with it or not. It may be
 * accepted once, within seven days, and only while the caller is an admin there. An earlier invitation of the address is
 * replaced. The invited get it by mail; where none can be sent, the answer has the token. Throws `AppError` not_found,
 * forbidden, conflict (in the group already, or too many open invitations), expiry_in_the_past, validation_failed.
 */
export async function invite(
  deps: InvitationDependencies,
  subject: Subject,
  groupId: string,
  { email: text, role, memberUntil }: InvitationRequest,
): Promise<CreatedInvitation> {
  if (subject.userId === null) throw new AppError('forbidden');
  const { db, secrets, publicUrl } = deps;
  const email = validEmail(text);
  const emailHmac = userIdOf(email, secrets);
  const invitationId = newId();
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const [removal, insertion] = insertInvitation({
    invitationId,
    groupId,
    emailHmac,
    emailSealed: sealText(secrets, email, placeOf(invitationId)),
    role,
    invitedBy: subject.userId,
    memberUntil,
    tokenHash: hashOpaqueToken(token),
  });
  const checks = [
    ...requireGroupRole(subject, groupId, ['admin']),
    requireLastsNoLonger(subject, groupId, { userId: null, role, expiresAt: memberUntil }),
    ...requireFutureEnd(memberUntil),
    requireNoMemberByEmail(groupId, emailHmac),
    requireRoomForInvitation(groupId, emailHmac),
  ];
  const rows = await db.batch([
    ...checks,
    removal!,
    insertion!,
    recordAudit(subject, 'invitation.created', { type: 'group', id: groupId }, { detail: { role } }),
    ...(await mailStatements(deps, { email, emailHmac, token })),
  ]);
  const row = rows[checks.length + 1]![0]!;
  const invitation = {
    invitationId,
    groupId,
    email,
    role,
    invitedBy: subject.userId,
    memberUntil,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number,
  };
  if (deps.sendsMail) return { invitation, token: null, link: null };
  return { invitation, token, link: invitationLink(publicUrl, token) };
}

/** Open invitations of a group, newest first, for its admins. Throws `AppError` not_found, forbidden. */
export async function listInvitations(
  { db, secrets }: Pick<InvitationDependencies, 'db' | 'secrets'>,
  subject: Subject,
  groupId: string,
  page: { beforeId: string | null; limit: number },
): Promise<Invitation[]> {
  await db.batch(requireGroupRole(subject, groupId, ['admin']));
  return (await selectInvitations(db, groupId, page)).map((invitation) => openInvitation(secrets, invitation));
}

/** Throws `AppError` not_found, forbidden. */
export async function revokeInvitation(
  { db }: Pick<InvitationDependencies, 'db'>,
  subject: Subject,
  groupId: string,
  invitationId: string,
): Promise<void> {
  await db.batch([
    ...requireGroupRole(subject, groupId, ['admin']),
    requireInvitation(groupId, invitationId),
    deleteInvitation(invitationId),
    recordAudit(subject, 'invitation.revoked', { type: 'group', id: groupId }),
  ]);
}

async function mailStatements(
  { db, secrets, sendsMail, publicUrl }: InvitationDependencies,
  { email, emailHmac, token }: { email: string; emailHmac: string; token: string },
): Promise<Statement[]> {
  if (!sendsMail) return [];
  const userId = await selectReceiverByEmail(db, emailHmac);
  return enqueueMail(secrets, { to: email, userId, ...invitationMail(publicUrl, token) });
}

function openInvitation(
  secrets: InvitationDependencies['secrets'],
  { emailSealed, ...invitation }: SealedInvitation,
): Invitation {
  return { ...invitation, email: openText(secrets, emailSealed, placeOf(invitation.invitationId)) };
}

function placeOf(invitationId: string) {
  return { column: 'invitations.email_sealed', row: invitationId } as const;
}
