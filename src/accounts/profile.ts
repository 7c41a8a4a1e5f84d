import type { Subject, SystemRole } from '../access/index.ts';
import { AppError } from '../errors/app-error.ts';
import type { AccountDependencies } from './dependencies.ts';
import { selectProfile } from './queries.ts';
import { type GroupMembership, openUser, type User } from './user.ts';

export interface Profile extends User {
  systemRoles: SystemRole[];
  /** Those whose membership has not expired, by name; for an API key of one group that one alone. */
  groups: GroupMembership[];
}

/** Who the caller is. Throws `AppError` forbidden for callers without a user, invalid_credentials when theirs is gone. */
export async function me(
  { db, secrets }: Pick<AccountDependencies, 'db' | 'secrets'>,
  subject: Subject,
): Promise<Profile> {
  if (subject.userId === null) throw new AppError('forbidden');
  const profile = await selectProfile(db, subject.userId);
  if (profile === null) throw new AppError('invalid_credentials');
  const { user, systemRoles } = profile;
  const groups = profile.groups.filter(({ groupId }) => subject.groupId === null || groupId === subject.groupId);
  return { ...openUser(secrets, user), systemRoles, groups };
}
