import { jobOrigin, systemSubject } from '../access/index.ts';
import type { Statement } from '../db/database.ts';
import { enqueueJob } from '../jobs/index.ts';

/** The type of the job that finds out what to write to whom. */
export const ACCOUNT_MAIL = 'account_mail';

/** What made the mail necessary. */
export const ACCOUNT_MAIL_KINDS = ['registration', 'verify_email', 'reset_password'] as const;
export type AccountMailKind = (typeof ACCOUNT_MAIL_KINDS)[number];

/** Three mails to one address at once, then one a minute: nobody is to be flooded by way of this server. */
const PER_ADDRESS = { intervalMs: 60_000, burst: 3 };

/**
 * Asks for a mail to an address that may belong to somebody or to nobody; a worker finds out. So the answer to whoever asked
 * takes the same work either way, and the token in the mail is made where it is sent. While such a mail waits, another one
 * is not added.
 */
export function askForMail(kind: AccountMailKind, emailHmac: string): Statement[] {
  const key = mailRateOf(emailHmac);
  return enqueueJob({
    jobType: ACCOUNT_MAIL,
    payload: { kind, email_hmac: emailHmac },
    onBehalfOf: jobOrigin(systemSubject()),
    uniqueKey: `${key}:${kind}`,
    rate: { key, ...PER_ADDRESS },
  }).statements;
}

/** The rate at which mails to an address start. */
export function mailRateOf(emailHmac: string): string {
  return `${ACCOUNT_MAIL}:${emailHmac}`;
}
