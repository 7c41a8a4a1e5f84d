import { createTransport, type Transporter } from 'nodemailer';
import { AppError } from '../errors/app-error.ts';

export interface Mail {
  /** The same for every attempt at the same mail, so that a repeated one can be recognised. */
  readonly mailId: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /**
   * Hands a mail over to the mail server. Throws `AppError` mail_unavailable when trying again may help, mail_rejected when not.
   * The errors hold no address, and neither do their causes: the answers of mail servers repeat it.
   */
  send(mail: Mail): Promise<void>;
  /** May be called twice. */
  close(): void;
}

const TIMEOUT_MS = 30_000;

/**
 * A mail server by URL: `smtp://user:password@host:587` (STARTTLS where the server offers it), `smtps://` (TLS from the start).
 * `from` is an address, or a name with one: `anyrag <anyrag@example.com>`. Connects when the first mail is sent. Throws
 * `AppError` config_invalid for what is no such URL or address.
 */
export function createMailer({ url, from }: { url: string; from: string }): Mailer {
  assertMailUrl(url);
  const domain = /@([^@>\s]+)>?$/.exec(from)?.[1];
  if (domain === undefined) throw new AppError('config_invalid', 'MAIL_FROM must be an e-mail address.');
  const transport: Transporter = createTransport({
    url,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // Texts are ours; nothing in them may make the library read a file or a URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ mailId, to, subject, text }) {
      try {
        await transport.sendMail({
          // As an object, so that no part of it is read as a list of addresses.
          to: { name: '', address: to },
          from,
          subject,
          text,
          messageId: `<${mailId}@${domain}>`,
          // RFC 3834: keeps answering machines from answering.
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
      } catch (error) {
        throw toAppError(error);
      }
    },
    close: () => transport.close(),
  };
}

function assertMailUrl(text: string): void {
  const url = URL.parse(text);
  if (url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '') return;
  throw new AppError('config_invalid', 'SMTP_URL must be smtp://user:password@host:port or smtps://….');
}

/** RFC 5321 §4.2.1: 5xx is for good, 4xx for now. Without a reply there was no conversation. */
function toAppError(error: unknown): AppError {
  const { responseCode, code } = error as { responseCode?: number; code?: string };
  const reason = new Error(`SMTP ${responseCode ?? code ?? 'error'}`);
  const isFinal = responseCode !== undefined && responseCode >= 500 && code !== 'EAUTH';
  if (isFinal) return new AppError('mail_rejected', `The mail server answered ${responseCode}`, { cause: reason });
  return new AppError('mail_unavailable', undefined, { cause: reason });
}
