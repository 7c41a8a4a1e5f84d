import { guestSubject, hashOpaqueToken, type Subject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database, Statement } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import type { Group } from '../groups/group.ts';
import { readGroup } from '../groups/groups.ts';
import { requireProven } from '../groups/queries.ts';
import {
  acceptInvitationStatements,
  groupOfInvitation,
  markEmailProven,
  requireInvitationFor,
  requireInvitedAddress,
  selectInvitationFor,
} from './queries.ts';

/**
 * Makes the caller a member of the group they were invited to; who is one already stays what they are. The invitation must be
 * to the caller's own address, and is used up. Throws `AppError` invalid_token for one that is unknown, used, revoked, over,
 * meant for another address, or whose inviter is no admin any more; email_unproven; forbidden without a user.
 */
export async function acceptInvitation(
  { db }: { db: Database },
  subject: Subject,
  { token }: { token: string },
): Promise<Group> {
  const { userId } = subject;
  if (userId === null) throw new AppError('forbidden');
  const tokenHash = hashOpaqueToken(token);
  const invitation = await selectInvitationFor(db, userId, tokenHash);
  if (invitation === null) throw new AppError('invalid_token');
  const { groupId, invitedBy, role } = invitation;
  await db.batch([
    requireInvitationFor(userId, tokenHash),
    requireProven(subject),
    ...acceptInvitationStatements(userId, tokenHash),
    recordAudit(
      subject,
      'invitation.accepted',
      { type: 'group', id: groupId },
      { concerns: invitedBy, detail: { role } },
    ),
  ]);
  return readGroup({ db }, subject, groupId);
}

/**
 * For a registration: the statements that let somebody in who has the token of an open invitation to the address, after the
 * account was made in the same batch. They get into the group at once. A token that came by mail also proves the address.
 * The batch is aborted with registration_closed otherwise.
 */
export function admitInvited(
  { sendsMail }: { sendsMail: boolean },
  { invitationToken, emailHmac, userId }: { invitationToken: string; emailHmac: string; userId: string },
): Statement[] {
  const tokenHash = hashOpaqueToken(invitationToken);
  const group = { type: 'group', id: groupOfInvitation(tokenHash) } as const;
  return [
    requireInvitedAddress(emailHmac, tokenHash),
    ...(sendsMail ? [markEmailProven(userId)] : []),
    recordAudit(guestSubject(), 'invitation.accepted', group, { concerns: userId }),
    ...acceptInvitationStatements(userId, tokenHash),
  ];
}
