import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Terminal } from './output.ts';
import { UsageError } from './usage-error.ts';

/** Asks one question after the other. */
export interface Prompt {
  line(question: string): Promise<string>;
  /** What is typed is not shown. */
  secret(question: string): Promise<string>;
}

/**
 * Lets `use` ask on the terminal. The terminal's own echo is off all the time, so that nothing typed ahead of a question is
 * shown either. Throws `UsageError` with `instead` where standard input is no terminal, or when the user breaks off.
 */
export async function withPrompt<T>(
  { stdin, stderr }: Pick<Terminal, 'stdin' | 'stderr'>,
  instead: string,
  use: (prompt: Prompt) => Promise<T>,
): Promise<T> {
  if (stdin.isTTY !== true) throw new UsageError(instead);
  let isEchoed = false;
  const screen = new Writable({
    write(text, _encoding, done) {
      if (isEchoed) stderr.write(text);
      done();
    },
  });
  const lines = createInterface({ input: stdin, output: screen, terminal: true, historySize: 0 });
  const brokenOff = new Promise<never>((_, reject) => {
    lines.once('SIGINT', () => reject(new UsageError('broken off')));
    lines.once('close', () => reject(new UsageError('the input ended')));
  });
  // Nobody may be asking when it ends.
  brokenOff.catch(() => {});
  const answer = () => Promise.race([new Promise<string>((resolve) => lines.once('line', resolve)), brokenOff]);

  try {
    return await use({
      async line(question) {
        isEchoed = true;
        lines.setPrompt(question);
        lines.prompt();
        return (await answer()).trim();
      },
      async secret(question) {
        isEchoed = false;
        stderr.write(question);
        const text = await answer();
        stderr.write('\n');
        return text;
      },
    });
  } finally {
    lines.close();
  }
}

/** The first line of standard input, for passwords that come through a pipe. */
export async function readSecretLine(stdin: AsyncIterable<Uint8Array | string>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece));
  const [line = ''] = Buffer.concat(pieces).toString('utf8').split(/\r?\n/, 1);
  if (line === '') throw new UsageError('standard input has no password in its first line');
  return line;
}
