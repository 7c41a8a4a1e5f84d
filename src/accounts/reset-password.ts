import {
  assertGoodPassword,
  guestSubject,
  hashOpaqueToken,
  hasRole,
  requireRecentSignIn,
  type Subject,
} from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { accountIdOf } from './account-id.ts';
import { askForMail } from './account-mail.ts';
import { passwordNotice } from './change-password.ts';
import type { AccountDependencies } from './dependencies.ts';
import { resetLink } from './mail-texts.ts';
import { newOneTimeToken, TOKEN_LIFE_MS } from './one-time-token.ts';
import { proofOfEmail } from './proof-of-email.ts';
import {
  deletePendingSignIns,
  insertOneTimeToken,
  revokeSessions,
  selectActiveUserById,
  selectOneTimeToken,
  spendOneTimeToken,
  type TokenPurpose,
  upsertCredential,
} from './queries.ts';
import { openUser } from './user.ts';

/**
 * Has a link for a new password sent to an address, if it belongs to an active account. The same is done here for every
 * address, so neither the answer nor its time tell. Throws `AppError` mail_not_set_up.
 */
export async function requestPasswordReset(
  { db, secrets, sendsMail }: Pick<AccountDependencies, 'db' | 'secrets' | 'sendsMail'>,
  email: string,
): Promise<void> {
  if (!sendsMail) throw new AppError('mail_not_set_up');
  await db.batch(askForMail('reset_password', accountIdOf(email, secrets)));
}

export interface ResetLink {
  readonly token: string;
  readonly url: string;
  /** Milliseconds. */
  readonly expiresAt: number;
}

/**
 * A link that sets a new password once, to be handed to the user by whoever has asked for it; the link before is over. Throws
 * `AppError` forbidden unless the subject is a super_admin who has signed in, or the system for the command line; sign_in_again
 * unless that was within the last minutes, since a link is a way into any account; not_found without such an active user.
 */
export async function createResetLink(
  { db, publicUrl }: Pick<AccountDependencies, 'db' | 'publicUrl'>,
  subject: Subject,
  userId: string,
): Promise<ResetLink> {
  const mayIssue = subject.kind === 'system' || (subject.via === 'session' && hasRole(subject, 'super_admin'));
  if (!mayIssue) throw new AppError('forbidden');
  if ((await selectActiveUserById(db, userId)) === null) throw new AppError('not_found');
  const { token, tokenHash } = newOneTimeToken();
  const purpose = 'reset_by_link';
  const rows = await db.batch([
    ...(subject.kind === 'system' ? [] : [requireRecentSignIn(subject)]),
    recordAudit(subject, 'password.reset_link_created', { type: 'user', id: userId }),
    ...insertOneTimeToken({ tokenHash, purpose, userId, lifeMs: TOKEN_LIFE_MS[purpose] }),
  ]);
  return { token, url: resetLink(publicUrl, token), expiresAt: rows.at(-1)![0]!.expires_at as number };
}

type ResetDependencies = Pick<AccountDependencies, 'db' | 'secrets' | 'passwords' | 'sendsMail' | 'publicUrl'>;

/**
 * Sets a new password by a token and ends every session of the user. A token that came by mail also proves the address; where
 * it had not been proven, whoever made the account loses all access to it. Throws `AppError` invalid_token,
 * validation_failed (path `body.new_password`), overloaded.
 */
export async function resetPassword(
  dependencies: ResetDependencies,
  input: { readonly token: string; readonly newPassword: string },
): Promise<void> {
  const { db, secrets, passwords } = dependencies;
  const tokenHash = hashOpaqueToken(input.token);
  const found = await selectOneTimeToken(db, tokenHash);
  if (found === null || found.purpose === 'verify_email') throw new AppError('invalid_token');
  const user = openUser(secrets, found.user);
  assertGoodPassword(input.newPassword, user.email, 'body.new_password');
  const passwordHash = await passwords.hash(input.newPassword);
  await db.batch([
    ...spendOneTimeToken(tokenHash, found.purpose, user.userId),
    ...proofByMail(found.purpose, user.userId),
    upsertCredential(user.userId, passwordHash),
    revokeSessions(user.userId),
    ...deletePendingSignIns(user.userId),
    recordAudit(guestSubject(), 'password.reset', { type: 'user', id: user.userId }, { detail: { by: found.purpose } }),
    ...passwordNotice(dependencies, user),
  ]);
}

function proofByMail(purpose: TokenPurpose, userId: string): Statement[] {
  return purpose === 'reset_by_mail' ? proofOfEmail(userId) : [];
}
