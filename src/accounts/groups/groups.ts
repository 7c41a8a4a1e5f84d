import type { Subject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import { newId } from '../../base/ids.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import type { Group } from './group.ts';
import {
  deleteGroup,
  insertGroup,
  insertMembership,
  isSuperAdmin,
  renameGroup,
  requireGroup,
  requireGroupRole,
  requireProven,
  selectGroup,
  selectGroups,
} from './queries.ts';

/** A new group whose only member is the caller, as its admin. Throws `AppError` forbidden without a user, email_unproven. */
export async function createGroup({ db }: { db: Database }, subject: Subject, name: string): Promise<Group> {
  if (subject.userId === null) throw new AppError('forbidden');
  const groupId = newId();
  await db.batch([
    requireProven(subject),
    insertGroup(groupId, name),
    ...insertMembership({ groupId, userId: subject.userId, role: 'admin', expiresAt: null }),
    recordAudit(subject, 'group.created', { type: 'group', id: groupId }),
  ]);
  return readGroup({ db }, subject, groupId);
}

/** The groups the caller is in, newest first, at most `limit`. */
export function listGroups(
  { db }: { db: Database },
  subject: Subject,
  page: { beforeId: string | null; limit: number },
): Promise<Group[]> {
  return selectGroups(db, subject, page);
}

/** A group the caller is in; a super_admin sees every group. Throws `AppError` not_found. */
export async function readGroup({ db }: { db: Database }, subject: Subject, groupId: string): Promise<Group> {
  const group = await selectGroup(db, subject, groupId);
  if (group === null) throw new AppError('not_found');
  return group;
}

/** For its admins. Throws `AppError` not_found, forbidden. */
export async function changeGroup(
  { db }: { db: Database },
  subject: Subject,
  groupId: string,
  { name }: { name: string },
): Promise<Group> {
  await db.batch([
    ...requireGroupRole(subject, groupId, ['admin']),
    renameGroup(groupId, name),
    recordAudit(subject, 'group.renamed', { type: 'group', id: groupId }, { onlyIfChanged: true }),
  ]);
  return readGroup({ db }, subject, groupId);
}

/**
 * Removes a group with its memberships and with what was shared with it; the documents stay with their owners. For its admins,
 * and for a super_admin, who may have to end a group whose last admin must be disabled. Throws `AppError` not_found, forbidden.
 */
export async function removeGroup({ db }: { db: Database }, subject: Subject, groupId: string): Promise<void> {
  await db.batch([
    requireGroup(groupId),
    ...requireGroupRole(subject, groupId, ['admin'], isSuperAdmin(subject)),
    deleteGroup(groupId),
    recordAudit(subject, 'group.deleted', { type: 'group', id: groupId }),
  ]);
}
