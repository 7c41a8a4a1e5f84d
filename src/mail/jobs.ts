import { z } from 'zod';
import type { Secrets } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { JobHandler } from '../jobs/index.ts';
import { openMail } from './enqueue-mail.ts';
import type { Mailer } from './mailer.ts';
import { deleteMail, selectMail } from './queries.ts';

export interface MailJobDependencies {
  db: Database;
  secrets: Secrets;
  /** Null: no SMTP_URL is set. */
  mailer: Mailer | null;
}

interface SendMail {
  mail_id: string;
}

const CONCURRENCY = 4;

/** Sends a mail that `enqueueMail` has stored, and deletes it. One that was sent already, or whose time is over, is not sent. */
export function sendMailHandler({ db, secrets, mailer }: MailJobDependencies): JobHandler<SendMail> {
  return {
    payload: z.strictObject({ mail_id: z.string() }),
    concurrency: CONCURRENCY,
    async run({ mail_id }, context) {
      const mail = await selectMail(db, mail_id);
      if (mail === null) return { sent: false };
      if (!mail.isOver) {
        if (mailer === null) throw new AppError('mail_unavailable', 'This worker has no SMTP_URL');
        await mailer.send({ mailId: mail_id, ...openMail(secrets, mail_id, mail.sealed) });
      }
      await context.write([deleteMail(mail_id)]);
      return { sent: !mail.isOver };
    },
  };
}
