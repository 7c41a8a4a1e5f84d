import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

export interface StartedProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** Resolves once the process has printed the text; throws if it ends before. */
  printed(text: string): Promise<void>;
  /** What it has printed once it has ended; throws unless it ended with code 0. */
  output(): Promise<string>;
  kill(): Promise<void>;
}

/** Starts a script of this folder as a process of its own. */
export function startProcess(script: string, ...args: string[]): StartedProcess {
  const file = new URL(script, import.meta.url).pathname;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  const exited = once(child, 'exit');
  const ended = once(child.stdout, 'end');
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });

  async function printed(text: string): Promise<void> {
    while (!output.includes(text)) {
      await Promise.race([once(child.stdout, 'data'), ended]);
      if (child.exitCode !== null && !output.includes(text))
        throw new Error(`${script} ended before it printed ${text}`);
    }
  }

  async function outputAtEnd(): Promise<string> {
    const [code] = (await exited) as [number | null];
    await ended;
    if (code !== 0) throw new Error(`${script} ended with code ${code}`);
    return output;
  }

  async function kill(): Promise<void> {
    child.kill('SIGKILL');
    await exited;
  }

  return { child, printed, output: outputAtEnd, kill };
}

/** The rows that a foreign process reads from the file at this path, or from the server at this URL. */
export async function readElsewhere(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return JSON.parse(await startProcess('read.ts', url, sql).output()) as Record<string, unknown>[];
}
