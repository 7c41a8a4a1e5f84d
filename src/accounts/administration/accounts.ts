import {
  normaliseEmail,
  requireRecentSignIn,
  type Secrets,
  type Subject,
  type SystemRole,
  sealText,
  userIdOf,
} from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database, Statement } from '../../db/database.ts';
import { AppError, hasCode } from '../../errors/app-error.ts';
import { addUserRole, deleteUserRole, revokeSessions, setUserStatus } from '../queries.ts';
import { openUser } from '../user.ts';
import type { Account, AccountFilter, AccountStatus } from './account.ts';
import {
  requireMayGetRole,
  requireSuperAdmin,
  requireUser,
  type SealedAccount,
  selectAccount,
  selectAccounts,
  selectGroupsLedAlone,
  updateName,
} from './queries.ts';

export interface AdministrationDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
}

export interface AccountListPage {
  readonly before: { readonly createdAt: number; readonly userId: string } | null;
  readonly limit: number;
}

/** All accounts that fit, newest first. Only for a super_admin, like everything in this file: throws `AppError` forbidden. */
export async function listAccounts(
  { db, secrets }: AdministrationDependencies,
  subject: Subject,
  filter: AccountFilter,
  page: AccountListPage,
): Promise<Account[]> {
  await db.batch([requireSuperAdmin(subject)]);
  const { email, ...rest } = filter;
  const normal = email === null ? null : normaliseEmail(email);
  if (email !== null && normal === null) return [];
  const emailHmac = normal === null ? null : userIdOf(normal, secrets);
  const rows = await selectAccounts(db, { ...rest, emailHmac, ...page });
  return rows.map((account) => openAccount(secrets, account));
}

/** Throws `AppError` not_found. */
export async function readAccount(
  { db, secrets }: AdministrationDependencies,
  subject: Subject,
  userId: string,
): Promise<Account> {
  await db.batch([requireSuperAdmin(subject)]);
  const account = await selectAccount(db, userId);
  if (account === null) throw new AppError('not_found');
  return openAccount(secrets, account);
}

export interface AccountChange {
  /** Null: none. */
  readonly name?: string | null | undefined;
  readonly status?: AccountStatus | undefined;
}

/**
 * Renames, disables or enables an account. A disabled one is refused with the next request, its sessions do not come back.
 * Throws `AppError` not_found; last_admin, whose detail names the groups, and last_super_admin for one that cannot be spared.
 */
export async function changeAccount(
  deps: AdministrationDependencies,
  subject: Subject,
  userId: string,
  change: AccountChange,
): Promise<Account> {
  const statements = [
    requireSuperAdmin(subject),
    requireUser(userId),
    ...nameStatements(deps.secrets, subject, userId, change.name),
    ...statusStatements(subject, userId, change.status),
  ];
  await deps.db.batch(statements).catch((error: unknown) => explainLastAdmin(deps.db, userId, error));
  return readAccount(deps, subject, userId);
}

function nameStatements(
  secrets: Secrets,
  subject: Subject,
  userId: string,
  name: string | null | undefined,
): Statement[] {
  if (name === undefined) return [];
  const sealed = name === null ? null : sealText(secrets, name, { column: 'users.name_sealed', row: userId });
  return [updateName(userId, sealed), recordAudit(subject, 'user.renamed', { type: 'user', id: userId })];
}

function statusStatements(subject: Subject, userId: string, status: AccountStatus | undefined): Statement[] {
  if (status === undefined) return [];
  const action = status === 'disabled' ? 'user.disabled' : 'user.enabled';
  return [
    setUserStatus(userId, status),
    recordAudit(subject, action, { type: 'user', id: userId }, { onlyIfChanged: true }),
    // One that is enabled again begins with a sign-in, not where somebody else may have left off.
    ...(status === 'disabled' ? [revokeSessions(userId)] : []),
  ];
}

/** Who is told no has to know what to hand over first. */
async function explainLastAdmin(db: Database, userId: string, error: unknown): Promise<never> {
  if (!hasCode(error, 'last_admin')) throw error;
  const groups = await selectGroupsLedAlone(db, userId);
  throw new AppError('last_admin', `The user is the last admin of ${groups.join(', ')}`, { cause: error });
}

/**
 * Gives a user a system role, for good. Needs a sign-in of the last minutes. Having it already is no error. Throws `AppError`
 * sign_in_again, not_found, conflict for an account that is disabled or not proven.
 */
export async function grantRole(
  { db }: { db: Database },
  subject: Subject,
  userId: string,
  role: SystemRole,
): Promise<void> {
  await db.batch([
    requireSuperAdmin(subject),
    requireRecentSignIn(subject),
    requireUser(userId),
    requireMayGetRole(userId),
    addUserRole(userId, role),
    recordAudit(subject, 'role.granted', { type: 'user', id: userId }, { detail: { role }, onlyIfChanged: true }),
  ]);
}

/** Takes a system role away; not having it is no error. Throws `AppError` sign_in_again, not_found, last_super_admin. */
export async function revokeRole(
  { db }: { db: Database },
  subject: Subject,
  userId: string,
  role: SystemRole,
): Promise<void> {
  await db.batch([
    requireSuperAdmin(subject),
    requireRecentSignIn(subject),
    requireUser(userId),
    deleteUserRole(userId, role),
    recordAudit(subject, 'role.revoked', { type: 'user', id: userId }, { detail: { role }, onlyIfChanged: true }),
  ]);
}

function openAccount(secrets: Secrets, { emailSealed, nameSealed, ...account }: SealedAccount): Account {
  const { userId, createdAt } = account;
  return { ...account, ...openUser(secrets, { userId, emailSealed, nameSealed, createdAt }) };
}
