import { z } from 'zod';
import { type Secrets, systemSubject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import type { JobHandler } from '../jobs/index.ts';
import { deleteOverdueMail, enqueueMail } from '../mail/index.ts';
import { ACCOUNT_MAIL, ACCOUNT_MAIL_KINDS, type AccountMailKind } from './account-mail.ts';
import { accountExistsMail, type MailText, passwordResetMail, verificationMail } from './mail-texts.ts';
import { newOneTimeToken, TOKEN_LIFE_MS } from './one-time-token.ts';
import { deleteOverdueSignIns, type EmailRecipient, insertOneTimeToken, selectActiveUserByEmail } from './queries.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { openUser } from './user.ts';

export { ERASE_ACCOUNTS } from './erasure/erase-account.ts';
export { eraseAccountsHandler } from './erasure/erase-accounts-job.ts';
export { ACCOUNT_MAIL };
/** The type of the job that rotates signing keys and clears away what sign-ins have left. */
export const SIGN_IN_UPKEEP = 'sign_in_upkeep';

export interface AccountJobDependencies {
  db: Database;
  secrets: Secrets;
  /** Base URL of the server as its users see it. */
  publicUrl: string;
}

interface AccountMailPayload {
  kind: AccountMailKind;
  email_hmac: string;
}

/** Longest time that is worth trying to send a mail without a token. */
const NOTICE_LIFE_MS = 86_400_000;

/**
 * Writes to whoever has an address, as far as somebody has it: what they need depends on their account. The token and the mail
 * that carries it are stored together, sealed; `send_mail` does the rest.
 */
export function accountMailHandler(deps: AccountJobDependencies): JobHandler<AccountMailPayload> {
  return {
    payload: z.strictObject({ kind: z.enum(ACCOUNT_MAIL_KINDS), email_hmac: z.string().length(64) }),
    async run({ kind, email_hmac }, context) {
      const recipient = await selectActiveUserByEmail(deps.db, email_hmac);
      const statements = recipient === null ? [] : compose(deps, kind, recipient);
      if (statements.length > 0) await context.write(statements);
      return {};
    },
  };
}

function compose(deps: AccountJobDependencies, kind: AccountMailKind, recipient: EmailRecipient) {
  if (kind === 'reset_password') return mailWithToken(deps, recipient, 'reset_by_mail', passwordResetMail);
  if (recipient.emailState === 'unproven') return mailWithToken(deps, recipient, 'verify_email', verificationMail);
  if (kind === 'verify_email') return [];
  return mailTo(deps, recipient, accountExistsMail(deps), NOTICE_LIFE_MS);
}

function mailWithToken(
  deps: AccountJobDependencies,
  recipient: EmailRecipient,
  purpose: 'verify_email' | 'reset_by_mail',
  textOf: (context: AccountJobDependencies, token: string) => MailText,
) {
  const { token, tokenHash } = newOneTimeToken();
  const lifeMs = TOKEN_LIFE_MS[purpose];
  return [
    ...insertOneTimeToken({ tokenHash, purpose, userId: recipient.user.userId, lifeMs }),
    ...mailTo(deps, recipient, textOf(deps, token), lifeMs),
  ];
}

function mailTo({ secrets }: AccountJobDependencies, { user }: EmailRecipient, mail: MailText, lifeMs: number) {
  const { userId, email } = openUser(secrets, user);
  return enqueueMail(secrets, { to: email, userId, lifeMs, ...mail });
}

/** Does the step of the rotation of signing keys that is due, and deletes tokens, attempts and mails that are over. */
export function signInUpkeepHandler({ db, secrets }: AccountJobDependencies): JobHandler<object> {
  return {
    payload: z.strictObject({}),
    concurrency: 1,
    async run(_payload, context) {
      const { activated, published } = await rotateSigningKeys({ db, secrets }, systemSubject());
      await context.write([...deleteOverdueSignIns(), deleteOverdueMail()]);
      return { activated, published };
    },
  };
}
