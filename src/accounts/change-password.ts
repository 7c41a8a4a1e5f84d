import { assertGoodPassword, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { AppError } from '../errors/app-error.ts';
import { enqueueMail } from '../mail/index.ts';
import type { AccountDependencies } from './dependencies.ts';
import { ownSession } from './logout.ts';
import { passwordChangedMail } from './mail-texts.ts';
import {
  changeCredential,
  deletePendingSignIns,
  type EmailRecipient,
  revokeSessions,
  selectActiveUserById,
} from './queries.ts';
import { openUser, type User } from './user.ts';

type PasswordDependencies = Pick<
  AccountDependencies,
  'db' | 'secrets' | 'passwords' | 'throttle' | 'sendsMail' | 'publicUrl'
>;

const NOTICE_LIFE_MS = 86_400_000;

/**
 * Sets another password for the caller and ends their other sessions; links for a reset that are out are over. API keys go on.
 * Throws `AppError` forbidden without a session, wrong_password when the current one is not right (also where there is none: a
 * reset sets the first), validation_failed (path `body.new_password`), rate_limited after too many failures, overloaded.
 */
export async function changePassword(
  dependencies: PasswordDependencies,
  subject: Subject,
  input: { readonly currentPassword: string; readonly newPassword: string; readonly clientAddress: string },
): Promise<void> {
  const { db, passwords } = dependencies;
  const { userId, sessionId } = ownSession(subject);
  const { user, passwordHash } = await checkPassword(dependencies, subject, input.currentPassword, input.clientAddress);
  assertGoodPassword(input.newPassword, user.email, 'body.new_password');
  await db.batch([
    ...changeCredential(userId, passwordHash, await passwords.hash(input.newPassword)),
    revokeSessions(userId, sessionId),
    ...deletePendingSignIns(userId),
    recordAudit(subject, 'password.changed', { type: 'user', id: userId }),
    ...passwordNotice(dependencies, user),
  ]);
}

/**
 * The caller with the password that they have just given. Guesses are counted as those at the sign-in are: a stolen session is
 * not to be a way around. Throws `AppError` forbidden, wrong_password, rate_limited, overloaded.
 */
export async function checkPassword(
  { db, secrets, passwords, throttle }: Pick<AccountDependencies, 'db' | 'secrets' | 'passwords' | 'throttle'>,
  subject: Subject,
  password: string,
  clientAddress: string,
): Promise<{ user: User; passwordHash: string }> {
  const { userId } = ownSession(subject);
  const attempt = throttle?.begin(userId, clientAddress);
  let found: EmailRecipient | null;
  let isRight: boolean;
  try {
    found = await selectActiveUserById(db, userId);
    isRight = await passwords.verify(found?.passwordHash ?? null, password);
  } catch (error) {
    attempt?.withdrawn();
    throw error;
  }
  if (!isRight || found?.passwordHash == null) throw new AppError('wrong_password');
  attempt?.succeeded();
  return { user: openUser(secrets, found.user), passwordHash: found.passwordHash };
}

/** Tells the user, wherever mail can be sent: somebody else may have done it. */
export function passwordNotice(
  { secrets, sendsMail, publicUrl }: Pick<AccountDependencies, 'secrets' | 'sendsMail' | 'publicUrl'>,
  { userId, email }: User,
) {
  if (!sendsMail) return [];
  return enqueueMail(secrets, { to: email, userId, lifeMs: NOTICE_LIFE_MS, ...passwordChangedMail({ publicUrl }) });
}
