import { jobOrigin, openText, type Secrets, sealText, systemSubject } from '../access/index.ts';
import { newId } from '../base/ids.ts';
import type { Statement } from '../db/database.ts';
import { enqueueJob } from '../jobs/index.ts';
import { insertMail } from './queries.ts';

/** The type of the job that sends one mail. */
export const SEND_MAIL = 'send_mail';

export interface MailRequest {
  /** A plain address, already normalised. It is stored sealed. */
  readonly to: string;
  /** The recipient's account, if there is one: the mail is deleted with it. */
  readonly userId: string | null;
  readonly subject: string;
  /** Plain text; may hold tokens. It is stored sealed. */
  readonly text: string;
  /** How long what it says is true; it is not sent later. */
  readonly lifeMs: number;
}

/** Over one to three hours with the backoff of the queue: mail servers that defer expect to be asked again. */
const MAX_ATTEMPTS = 20;

/**
 * A mail as statements for the batch that makes it necessary: it is sent after that batch is committed, by a worker, again and
 * again until the mail server takes it, or not at all. Neither the job nor any log holds the address or the text. Sent once
 * unless the worker dies between sending and noting it.
 *
 *     await db.batch([insertInvitation(…), ...enqueueMail(secrets, { to, userId: null, subject, text, lifeMs })]);
 */
export function enqueueMail(secrets: Secrets, mail: MailRequest): Statement[] {
  const mailId = newId();
  const { to, subject, text } = mail;
  const sealed = sealText(secrets, JSON.stringify({ to, subject, text }), placeOf(mailId));
  const job = enqueueJob({
    jobType: SEND_MAIL,
    payload: { mail_id: mailId },
    onBehalfOf: jobOrigin(systemSubject()),
    maxAttempts: MAX_ATTEMPTS,
  });
  return [insertMail({ mailId, userId: mail.userId, sealed, lifeMs: mail.lifeMs }), ...job.statements];
}

/** What `enqueueMail` sealed. Throws `AppError` config_invalid under another secret. */
export function openMail(
  secrets: Secrets,
  mailId: string,
  sealed: Uint8Array,
): Pick<MailRequest, 'to' | 'subject' | 'text'> {
  return JSON.parse(openText(secrets, sealed, placeOf(mailId)));
}

function placeOf(mailId: string) {
  return { column: 'outgoing_mail.mail_sealed', row: mailId } as const;
}
