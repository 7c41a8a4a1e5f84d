import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  from: string;
  to: string[];
  /** The whole message as it came, its quoted-printable text decoded. */
  message: string;
}

export interface FakeMailServer {
  /** For SMTP_URL. */
  readonly url: string;
  readonly received: ReceivedMail[];
  /** What each next recipient is answered with, one after the other: an SMTP status, or nothing for a yes. */
  readonly answers: (number | undefined)[];
  close(): Promise<void>;
}

/** A mail server on loopback that keeps what it gets. */
export async function startFakeMailServer(): Promise<FakeMailServer> {
  const received: ReceivedMail[] = [];
  const answers: (number | undefined)[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo({ address }, _session, callback) {
      const status = answers.shift();
      if (status === undefined) return callback();
      // As real ones do, it repeats the address.
      callback(Object.assign(new Error(`<${address}> is not wanted`), { responseCode: status }));
    },
    async onData(stream, { envelope }, callback) {
      const message = decodeQuotedPrintable(await text(stream));
      const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      received.push({ from, to: envelope.rcptTo.map(({ address }) => address), message });
      callback();
    },
  });
  const listener = server.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `smtp://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    received,
    answers,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** Ours are ASCII, so a byte is a character. */
function decodeQuotedPrintable(message: string): string {
  return message
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** The token in a mail of ours. */
export function tokenIn({ message }: ReceivedMail): string {
  const token = /#token=([\w-]{43})/.exec(message)?.[1];
  if (token === undefined) throw new Error('the mail has no token');
  return token;
}
