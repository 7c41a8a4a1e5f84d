import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { isFullHeap, residentBytes } from '../../base/process-memory.ts';
import { processorMs } from '../../base/process-time.ts';
import { siblingModule } from '../../base/source-file.ts';
import { AppError } from '../../errors/app-error.ts';
import type { ParseReply, ParseRequest, ParseTask } from './child-protocol.ts';
import { mostEffortMs } from './effort.ts';
import type { LongDocument, PageRange, ParsedDocument, ParseInput } from './parsed-document.ts';

export interface ParseOptions {
  /** Wall time from the start of the process to its answer. */
  timeoutMs: number;
  /** How much of that time other processes have spent on the same file; none where it is not said. */
  spentMs?: number;
  /** Cap on the resident memory of the process, buffers and WebAssembly included. It needs about 100 to start. */
  memoryMb: number;
  signal?: AbortSignal;
  /** Most processor time of the process; by default what its format and size allow. Linux only. */
  effortMs?: number | null;
  /** Module that the process runs; the parser of the input's media type by default. */
  entry?: URL;
}

type StopReason = 'timeout' | 'effort' | 'memory' | 'abort';

/** How a child ended: it answered, or it was stopped for a reason, or it died. */
type Ending =
  | { kind: 'replied'; reply: ParseReply }
  | { kind: 'stopped'; reason: StopReason }
  | { kind: 'died'; exitCode: number | null; exitSignal: NodeJS.Signals | null; stderr: string };

const CHECK_EVERY_MS = 250;
const STDERR_CHARS = 4096;

/** JSON of a document is its text, escapes and field names; three bytes a character are the worst of UTF-8. */
const RESULT_BYTES_PER_CHAR = 8;
const RESULT_FLOOR_BYTES = 16 * 1024 * 1024;

/**
 * Parses a file in a process of its own, so that a hostile or huge document can take down nothing but that process. It gets
 * no environment, no standard input, may start no further programs, and can read nothing but its file and the code it runs;
 * it is killed on timeout, beyond its caps of memory and work, on abort, and when this process dies. Nothing is left behind in the
 * temporary directory.
 *
 * Throws what the parser throws, by the same code and detail; `parse_timeout`, `parse_out_of_memory`, `parser_crashed`; on
 * abort the reason of the signal.
 */
export async function parseInChildProcess(input: ParseInput, options: ParseOptions): Promise<ParsedDocument> {
  return fromJson(await runParser(input, options, async (task) => ({ ...task, kind: 'document' })));
}

/** As `parseInChildProcess`, but of a PDF with more pages than `maxPages` only their number is told. */
export async function parseUpTo(
  input: ParseInput,
  maxPages: number,
  options: ParseOptions,
): Promise<ParsedDocument | LongDocument> {
  return fromJson(await runParser(input, options, async (task) => ({ ...task, kind: 'document_up_to', maxPages })));
}

/** Reads some pages of a PDF, under the same limits. What comes back is compressed and for `assembleParts` alone. */
export async function readPart(input: ParseInput, range: PageRange, options: ParseOptions): Promise<Uint8Array> {
  return compress(await runParser(input, options, async (task) => ({ ...task, kind: 'part', range })));
}

/**
 * Makes of all parts of a PDF, in order, the document that `parseInChildProcess` makes of the file; under the same limits,
 * and with the same errors where they concern the whole.
 */
export async function assembleParts(
  input: ParseInput,
  parts: AsyncIterable<Uint8Array>,
  options: ParseOptions,
): Promise<ParsedDocument> {
  const result = await runParser(input, options, async (task, directory) => {
    const partPaths: string[] = [];
    for await (const part of parts) {
      const path = join(directory, `part-${partPaths.length}.json`);
      await writeFile(path, await expandPart(part, input), { mode: 0o600 });
      partPaths.push(path);
    }
    return { ...task, kind: 'assembly', partPaths };
  });
  return fromJson(result);
}

const compress = promisify(gzip);
const expand = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip);

async function expandPart(part: Uint8Array, input: ParseInput): Promise<Buffer> {
  try {
    return await expand(part, { maxOutputLength: maxResultBytes(input) });
  } catch (error) {
    throw new AppError('parser_crashed', undefined, { cause: error });
  }
}

/** The result of a task as the process wrote it. `describe` may prepare files in the directory of the process. */
async function runParser(
  input: ParseInput,
  options: ParseOptions,
  describe: (task: { input: ParseInput }, directory: string) => Promise<ParseTask>,
): Promise<Buffer> {
  options.signal?.throwIfAborted();
  if (timeLeft(options) <= 0) throw stopError('timeout', options);
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-parse-'));
  try {
    const resultPath = join(directory, 'document.json');
    // The process has another working directory.
    const task = await describe({ input: { ...input, path: resolve(input.path) } }, directory);
    const { effortMs = await mostEffortMs(input) } = options;
    const ending = await runChild({ task, resultPath }, directory, { ...options, effortMs });
    return await resultOf(ending, resultPath, input, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function timeLeft({ timeoutMs, spentMs = 0 }: ParseOptions): number {
  return timeoutMs - spentMs;
}

function maxResultBytes({ limits }: ParseInput): number {
  return RESULT_FLOOR_BYTES + limits.maxTextChars * RESULT_BYTES_PER_CHAR;
}

async function resultOf(ending: Ending, resultPath: string, input: ParseInput, options: ParseOptions): Promise<Buffer> {
  if (ending.kind === 'stopped') throw stopError(ending.reason, options);
  if (ending.kind === 'died') throw deathError(ending);
  const { reply } = ending;
  if (reply.outcome === 'failed') throw new AppError(reply.code, reply.detail);
  if (reply.outcome === 'crashed') throw new AppError('parser_crashed', undefined, { cause: new Error(reply.reason) });
  return readResult(resultPath, maxResultBytes(input));
}

/** The process may have been taken over by the document: a result that is missing or no JSON is its failure, not ours. */
async function readResult(path: string, maxBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new AppError('document_too_large', 'The parsed document is larger than allowed.');
    return await readFile(path);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('parser_crashed', undefined, { cause: error });
  }
}

function fromJson<T>(bytes: Buffer): T {
  try {
    return JSON.parse(bytes.toString('utf8')) as T;
  } catch (error) {
    throw new AppError('parser_crashed', undefined, { cause: error });
  }
}

function stopError(reason: StopReason, { timeoutMs, memoryMb, signal }: ParseOptions): unknown {
  if (reason === 'abort') return signal?.reason;
  if (reason === 'effort')
    return new AppError('parse_timeout', 'Parsing takes more work than a file of this size is worth.');
  if (reason === 'timeout') return new AppError('parse_timeout', `Parsing took longer than ${timeoutMs} ms.`);
  return new AppError('parse_out_of_memory', `Parsing needed more than ${memoryMb} MB of memory.`);
}

function deathError({ exitCode, exitSignal, stderr }: Extract<Ending, { kind: 'died' }>): AppError {
  const cause = new Error(`The parser process ended with ${exitSignal ?? exitCode}: ${stderr}`);
  return new AppError(isFullHeap(stderr) ? 'parse_out_of_memory' : 'parser_crashed', undefined, { cause });
}

async function runChild(request: ParseRequest, directory: string, options: ParseOptions): Promise<Ending> {
  const child = startChild(directory, request.task.input.path, options);
  const ending = Promise.withResolvers<Ending>();
  // `close` comes after the last of stderr, `exit` does not.
  const closed = Promise.withResolvers<void>();
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARS);
  });
  child.once('error', ending.reject);
  child.once('message', (reply) => ending.resolve({ kind: 'replied', reply: reply as ParseReply }));
  child.once('close', (exitCode, exitSignal) => {
    ending.resolve({ kind: 'died', exitCode, exitSignal, stderr });
    closed.resolve();
  });
  // A child that is gone before it hears the request is reported by `close`, with its reason.
  child.send(request, () => {});
  const unwatch = watch(child, options, ending);
  try {
    return await ending.promise;
  } finally {
    unwatch();
    child.kill('SIGKILL');
    if (child.pid !== undefined) await closed.promise;
  }
}

/** Ends the run on timeout, beyond the caps of memory and of work, and on abort. Answers a function that stops watching. */
function watch(child: ChildProcess, options: ParseOptions, ending: PromiseWithResolvers<Ending>): () => void {
  const { signal } = options;
  const stop = (reason: StopReason) => ending.resolve({ kind: 'stopped', reason });
  const onAbort = () => stop('abort');
  const timeout = setTimeout(() => stop('timeout'), timeLeft(options));
  const check = setInterval(() => {
    exceeded(child, options).then((reason) => reason !== null && stop(reason), ending.reject);
  }, CHECK_EVERY_MS);
  signal?.addEventListener('abort', onAbort, { once: true });
  // The signal may have been raised while the process was being prepared.
  if (signal?.aborted) onAbort();
  return () => {
    clearTimeout(timeout);
    clearInterval(check);
    signal?.removeEventListener('abort', onAbort);
  };
}

async function exceeded(child: ChildProcess, { memoryMb, effortMs = null }: ParseOptions): Promise<StopReason | null> {
  if (child.pid === undefined) return null;
  if (((await residentBytes(child.pid)) ?? 0) > memoryMb * 1024 * 1024) return 'memory';
  if (effortMs !== null && ((await processorMs(child.pid)) ?? 0) > effortMs) return 'effort';
  return null;
}

function startChild(directory: string, inputPath: string, { memoryMb, entry }: ParseOptions): ChildProcess {
  const script = fileURLToPath(entry ?? siblingModule(import.meta.url, 'parser-process'));
  const flags = [
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    `--max-old-space-size=${memoryMb}`,
    '--permission',
    ...[...codeDirectories(script), directory, inputPath].map((path) => `--allow-fs-read=${path}`),
    `--allow-fs-write=${directory}`,
    '--allow-worker',
  ];
  return spawn(process.execPath, [...flags, script], {
    cwd: directory,
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'json',
  });
}

/** What the parser's modules are loaded from: never the whole package, since DATA_DIR may lie in it. */
function codeDirectories(script: string): string[] {
  const sources = fileURLToPath(new URL('../..', import.meta.url));
  const packages = ancestorsOf(sources)
    .map((directory) => join(directory, 'node_modules'))
    .filter((directory) => existsSync(directory));
  return [...new Set([sources, dirname(script), ...packages, ...packages.map((directory) => realpathSync(directory))])];
}

function ancestorsOf(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...ancestorsOf(parent)];
}
