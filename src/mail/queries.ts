import type { Database } from '../db/database.ts';
import { now, type Statement, sql } from '../db/sql.ts';

export interface OutgoingMail {
  mailId: string;
  sealed: Uint8Array;
  /** It has waited for so long that what it says is not true any more. */
  isOver: boolean;
}

export function insertMail(mail: {
  mailId: string;
  userId: string | null;
  sealed: Uint8Array;
  lifeMs: number;
}): Statement {
  return sql`INSERT INTO outgoing_mail (mail_id, user_id, mail_sealed, created_at, expires_at)
    VALUES (${mail.mailId}, ${mail.userId}, ${mail.sealed}, ${now}, ${now} + ${mail.lifeMs})`;
}

/** Null when it was sent, or its recipient is gone. */
export async function selectMail(db: Database, mailId: string): Promise<OutgoingMail | null> {
  const rows = await db.query(sql`SELECT mail_sealed, expires_at <= ${now} AS is_over FROM outgoing_mail
    WHERE mail_id = ${mailId}`);
  const row = rows[0];
  return row === undefined ? null : { mailId, sealed: row.mail_sealed as Uint8Array, isOver: row.is_over === 1 };
}

export function deleteMail(mailId: string): Statement {
  return sql`DELETE FROM outgoing_mail WHERE mail_id = ${mailId}`;
}

/** What was given up. */
export function deleteOverdueMail(): Statement {
  return sql`DELETE FROM outgoing_mail WHERE expires_at <= ${now}`;
}

/** What has not been sent to a user yet; its jobs find nothing to send. */
export function deleteMailTo(userId: string): Statement {
  return sql`DELETE FROM outgoing_mail WHERE user_id = ${userId}`;
}
