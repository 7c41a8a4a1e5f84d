import { type SystemRole, systemSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { AppError } from '../errors/app-error.ts';
import { accountIdOf } from './account-id.ts';
import type { AccountDependencies } from './dependencies.ts';
import { eraseForOperator } from './erasure/erase-account.ts';
import {
  addUserRole,
  deleteUserRole,
  revokeSessions,
  selectAccountSummaries,
  selectUserIdByEmail,
  setUserStatus,
} from './queries.ts';
import { createResetLink, type ResetLink } from './reset-password.ts';
import { type EmailState, openUser, type User } from './user.ts';

// What the operator of the machine may do without an account: whoever can read the secret and write the database is not to
// be stopped here. Each is written down as done by the system.

type OperatorDependencies = Pick<AccountDependencies, 'db' | 'secrets'>;

export interface AccountSummary extends User {
  status: 'active' | 'disabled';
  emailState: EmailState;
  systemRoles: SystemRole[];
}

/** At most `limit` accounts, newest first. */
export async function listAccountsForOperator(
  { db, secrets }: OperatorDependencies,
  limit: number,
): Promise<AccountSummary[]> {
  const rows = await selectAccountSummaries(db, limit);
  return rows.map(({ user, ...summary }) => ({ ...openUser(secrets, user), ...summary }));
}

/**
 * Disables or enables an account; a disabled one is refused with the next request, everywhere, and has to sign in when it is
 * enabled again. Throws `AppError` not_found; last_admin or last_super_admin for one that cannot be spared.
 */
export async function setStatusForOperator(
  deps: OperatorDependencies,
  email: string,
  status: 'active' | 'disabled',
): Promise<void> {
  const userId = await userIdOfEmail(deps, email);
  const action = status === 'disabled' ? 'user.disabled' : 'user.enabled';
  await deps.db.batch([
    setUserStatus(userId, status),
    recordAudit(systemSubject(), action, { type: 'user', id: userId }, { onlyIfChanged: true }),
    ...(status === 'disabled' ? [revokeSessions(userId)] : []),
  ]);
}

/** Gives or takes a system role; nothing happens where that is so already. Throws `AppError` not_found, last_super_admin. */
export async function setRoleForOperator(
  deps: OperatorDependencies,
  email: string,
  { role, has }: { role: SystemRole; has: boolean },
): Promise<void> {
  const userId = await userIdOfEmail(deps, email);
  const audit = recordAudit(
    systemSubject(),
    has ? 'role.granted' : 'role.revoked',
    { type: 'user', id: userId },
    { detail: { role }, onlyIfChanged: true },
  );
  await deps.db.batch([has ? addUserRole(userId, role) : deleteUserRole(userId, role), audit]);
}

/**
 * Erases an account as its user could; a worker removes the rest. Throws `AppError` not_found; last_admin or last_super_admin
 * for one that cannot be spared.
 */
export async function eraseAccountForOperator(deps: OperatorDependencies, email: string): Promise<void> {
  await eraseForOperator(deps, await userIdOfEmail(deps, email));
}

/** A link that sets a new password once. Throws `AppError` not_found without such an active account. */
export async function resetLinkForOperator(
  deps: OperatorDependencies & Pick<AccountDependencies, 'publicUrl'>,
  email: string,
): Promise<ResetLink> {
  return createResetLink(deps, systemSubject(), await userIdOfEmail(deps, email));
}

async function userIdOfEmail({ db, secrets }: OperatorDependencies, email: string): Promise<string> {
  const userId = await selectUserIdByEmail(db, accountIdOf(email, secrets));
  if (userId === null) throw new AppError('not_found', 'There is no account with this address');
  return userId;
}
