import { hashOpaqueToken, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { AppError } from '../errors/app-error.ts';
import { askForMail } from './account-mail.ts';
import type { AccountDependencies } from './dependencies.ts';
import { ownSession } from './logout.ts';
import { proveEmail, selectEmailHmac, spendOneTimeToken } from './queries.ts';

/**
 * Proves the address of the caller by the token from the mail. It takes both, the mail and the sign-in: were the token enough,
 * the owner of an address could be talked into proving an account that somebody else has made with it. Throws `AppError`
 * forbidden without a session; invalid_token when it is unknown, over, used, or another user's.
 */
export async function verifyEmail(
  { db }: Pick<AccountDependencies, 'db'>,
  subject: Subject,
  token: string,
): Promise<void> {
  const { userId } = ownSession(subject);
  await db.batch([
    ...spendOneTimeToken(hashOpaqueToken(token), 'verify_email', userId),
    proveEmail(userId),
    recordAudit(subject, 'email.proven', { type: 'user', id: userId }, { onlyIfChanged: true }),
  ]);
}

/** Sends the token again; nothing is sent where the address is proven. Throws `AppError` forbidden, mail_not_set_up. */
export async function resendVerification(
  { db, sendsMail }: Pick<AccountDependencies, 'db' | 'sendsMail'>,
  subject: Subject,
): Promise<void> {
  const { userId } = ownSession(subject);
  if (!sendsMail) throw new AppError('mail_not_set_up');
  const emailHmac = await selectEmailHmac(db, userId);
  if (emailHmac !== null) await db.batch(askForMail('verify_email', emailHmac));
}
