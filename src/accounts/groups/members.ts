import { openText, type Secrets, type Subject, userIdOf } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import type { InvitationDependencies } from '../invitations/invitation.ts';
import { invite } from '../invitations/invite.ts';
import { deleteInvitationsOf } from '../invitations/queries.ts';
import { validEmail } from '../new-user.ts';
import type { GroupRole, Member } from './group.ts';
import { readGroup } from './groups.ts';
import {
  deleteMembership,
  insertMembership,
  isSuperAdmin,
  type MembershipChange,
  requireFutureEnd,
  requireGroupRole,
  requireLastsNoLonger,
  requireMayReceive,
  requireMember,
  requireNoMember,
  type SealedMember,
  selectMember,
  selectMembers,
  selectReceiverByEmail,
  updateMembership,
} from './queries.ts';

export interface MemberDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
}

export interface MemberPage {
  /** Continues after this member; null: from the first. */
  readonly after: { readonly createdAt: number; readonly userId: string } | null;
  readonly limit: number;
}

/** Everybody in a group, for everybody in it. Throws `AppError` not_found. */
export async function listMembers(
  { db, secrets }: MemberDependencies,
  subject: Subject,
  groupId: string,
  page: MemberPage,
): Promise<Member[]> {
  await readGroup({ db }, subject, groupId);
  return (await selectMembers(db, groupId, page)).map((member) => openMember(secrets, member));
}

export interface NewMember {
  readonly who: { readonly userId: string } | { readonly email: string };
  readonly role: GroupRole;
  /** Milliseconds; null: never. */
  readonly expiresAt: number | null;
}

export type AddedMember = Pick<Member, 'userId' | 'role' | 'expiresAt'>;

/**
 * Adds somebody to a group of which the caller is an admin. Whoever is named by an address and has no account that could be
 * added is invited instead, and the answer is the same: it does not tell who has an account. Throws `AppError` not_found for
 * the group or a user id that cannot be added, forbidden, conflict for who is in the group already, expiry_in_the_past,
 * validation_failed for what is no address.
 */
export async function addMember(
  deps: InvitationDependencies,
  subject: Subject,
  groupId: string,
  member: NewMember,
): Promise<AddedMember> {
  const { who, role, expiresAt } = member;
  if ('userId' in who) return addUser(deps, subject, { groupId, userId: who.userId, role, expiresAt });
  const emailHmac = userIdOf(validEmail(who.email), deps.secrets);
  const userId = await selectReceiverByEmail(deps.db, emailHmac);
  if (userId !== null) return addUser(deps, subject, { groupId, userId, role, expiresAt });
  await invite(deps, subject, groupId, { email: who.email, role, memberUntil: expiresAt });
  return { userId: emailHmac, role, expiresAt };
}

async function addUser(
  { db }: MemberDependencies,
  subject: Subject,
  membership: AddedMember & { groupId: string },
): Promise<AddedMember> {
  const { groupId, ...added } = membership;
  await db.batch([
    ...requireGroupRole(subject, groupId, ['admin']),
    requireMayReceive(added.userId),
    requireLastsNoLonger(subject, groupId, added),
    ...requireFutureEnd(added.expiresAt),
    requireNoMember(groupId, added.userId),
    ...insertMembership(membership),
    deleteInvitationsOf(groupId, added.userId),
    recordAudit(subject, 'member.added', { type: 'group', id: groupId }, about(added.userId, added)),
  ]);
  return added;
}

/**
 * Gives a member another role or end. For the group's admins; a super_admin may make a member an admin, not themselves, so
 * that a group whose last admin is gone can go on. Throws `AppError` not_found, forbidden, last_admin, expiry_in_the_past.
 */
export async function changeMember(
  { db, secrets }: MemberDependencies,
  subject: Subject,
  groupId: string,
  { userId, ...change }: MembershipChange & { userId: string },
): Promise<Member> {
  const isRescue = change.role === 'admin' && (change.expiresAt ?? null) === null && userId !== subject.userId;
  const roles = requireGroupRole(subject, groupId, ['admin'], ...(isRescue ? [isSuperAdmin(subject)] : []));
  await db.batch([
    ...roles,
    requireMember(groupId, userId),
    requireLastsNoLonger(subject, groupId, { userId, ...change }),
    ...requireFutureEnd(change.expiresAt),
    updateMembership(groupId, userId, change),
    recordAudit(subject, 'member.changed', { type: 'group', id: groupId }, about(userId, change)),
  ]);
  const member = await selectMember(db, groupId, userId);
  if (member === null) throw new AppError('not_found');
  return openMember(secrets, member);
}

/** Admins remove anybody, everybody may leave. Throws `AppError` not_found, forbidden, last_admin. */
export async function removeMember(
  { db }: { db: Database },
  subject: Subject,
  groupId: string,
  userId: string,
): Promise<void> {
  const isLeaving = userId === subject.userId;
  await db.batch([
    ...requireGroupRole(subject, groupId, isLeaving ? ['admin', 'editor', 'viewer'] : ['admin']),
    requireMember(groupId, userId),
    deleteMembership(groupId, userId),
    recordAudit(
      subject,
      isLeaving ? 'member.left' : 'member.removed',
      { type: 'group', id: groupId },
      { concerns: userId },
    ),
  ]);
}

function about(userId: string, { role, expiresAt }: MembershipChange) {
  return {
    concerns: userId,
    detail: { ...(role !== undefined && { role }), ...(expiresAt !== undefined && { expires_at: expiresAt }) },
  };
}

function openMember(secrets: Secrets, { nameSealed, ...member }: SealedMember): Member {
  const place = { column: 'users.name_sealed', row: member.userId } as const;
  return { ...member, name: nameSealed === null ? null : openText(secrets, nameSealed, place) };
}
