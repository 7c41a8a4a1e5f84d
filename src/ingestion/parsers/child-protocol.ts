import { writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
import { AppError, type FieldError } from '../../errors/app-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';
import type { PageRange, ParseInput } from './parsed-document.ts';

/** What a child process does with the file of its input. */
export type ParseTask = { input: ParseInput } & (
  | { kind: 'document' }
  /** The document, or a `LongDocument` where it has more pages than that. PDF only. */
  | { kind: 'document_up_to'; maxPages: number }
  /** Some pages of a PDF. */
  | { kind: 'part'; range: PageRange }
  /** The document, from files with all of its parts in order. */
  | { kind: 'assembly'; partPaths: string[] }
);

/** Sent once to the child: what to do, and the file that takes the result as JSON. */
export interface ParseRequest {
  task: ParseTask;
  resultPath: string;
}

/** Sent once by the child. Documents go through the file: they may be larger than a pipe should carry. */
export type ParseReply =
  | { outcome: 'parsed' }
  | { outcome: 'failed'; code: ErrorCode; detail: string; errors?: readonly FieldError[] }
  | { outcome: 'crashed'; reason: string };

/**
 * Serves one request from the parent process over its IPC channel, then lets the process end.
 * The process ends at once when the parent goes away. From here on it starts no thread.
 */
export function serveParseRequest(run: (task: ParseTask) => Promise<unknown>): void {
  forbidThreads();
  process.once('disconnect', () => process.exit());
  process.once('message', async (request: ParseRequest) => {
    const reply = await replyTo(request, run);
    process.send?.(reply, () => process.disconnect?.());
  });
}

/**
 * `new Worker(file, { execArgv: [] })` starts a thread without the limits of `--permission`. The watcher of the parent needs
 * threads to be allowed; a document that has taken over this process must not find the way to them.
 */
function forbidThreads(): void {
  Object.defineProperty(threads, 'Worker', { value: undefined, writable: false, configurable: false });
  syncBuiltinESMExports();
}

async function replyTo(
  { task, resultPath }: ParseRequest,
  run: (task: ParseTask) => Promise<unknown>,
): Promise<ParseReply> {
  try {
    await writeFile(resultPath, JSON.stringify(await run(task)), { flag: 'wx', mode: 0o600 });
    return { outcome: 'parsed' };
  } catch (error) {
    if (error instanceof AppError) return { outcome: 'failed', code: error.code, detail: error.detail };
    // Buffers live outside the heap; where they cannot be had, the runtime says so this way.
    if (
      error instanceof RangeError &&
      /allocation|Array buffer|Invalid (typed )?array length|Invalid string length/i.test(error.message)
    ) {
      return { outcome: 'failed', code: 'parse_out_of_memory', detail: 'The document needs more memory than allowed.' };
    }
    return { outcome: 'crashed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
