import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildPdf } from '../../../test/document-builders.ts';
import { codeOf, LIMITS, withFile } from '../../../test/parse-bytes.ts';
import { AppError } from '../../errors/app-error.ts';
import type { ParsedDocument } from './parsed-document.ts';
import { assembleParts, type ParseOptions, parseInChildProcess, parseUpTo, readPart } from './run-parser.ts';

const FIXTURES = new URL('../../../test/fixtures/parsers/', import.meta.url);

let temporary: string;
let previousTmpdir: string | undefined;

// A temporary directory of its own shows what a parser process leaves behind.
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'anyrag-test-'));
  previousTmpdir = process.env.TMPDIR;
  process.env.TMPDIR = temporary;
});

afterEach(async () => {
  if (previousTmpdir === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = previousTmpdir;
  await rm(temporary, { recursive: true, force: true });
});

function misbehave(how: string, options: Partial<ParseOptions> = {}): Promise<ParsedDocument> {
  const input = { path: '/dev/null', mediaType: 'text/plain', fileName: how, limits: LIMITS };
  const entry = new URL('misbehaving.ts', FIXTURES);
  return parseInChildProcess(input, { timeoutMs: 50_000, memoryMb: 512, entry, ...options });
}

/** Waits for a condition of another process, which no event announces. */
async function until<T>(condition: () => Promise<T | null>): Promise<T> {
  const deadline = AbortSignal.timeout(20_000);
  for (;;) {
    const value = await condition();
    if (value !== null) return value;
    deadline.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('parsing in a child process', () => {
  test('a document comes back as the parser made it', async () => {
    const document = await withFile(buildPdf(['Hello.']), (path) =>
      parseInChildProcess(
        { path, mediaType: 'application/pdf', fileName: null, limits: LIMITS },
        { timeoutMs: 50_000, memoryMb: 512 },
      ),
    );
    expect(document.blocks).toEqual([{ kind: 'paragraph', text: 'Hello.', page: 1 }]);
  });

  test('an error of the parser keeps its code and detail', async () => {
    const error = await misbehave('refuses').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'pdf_encrypted', detail: 'A detail for the caller.' });
  });

  test('an unexpected error is parser_crashed, its text only in the cause', async () => {
    const error = await misbehave('throws').catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'parser_crashed' });
    expect((error as AppError).detail).not.toContain('secret');
    expect(String((error as AppError).cause)).toContain('a secret of the process');
  });

  test('a process that exits is parser_crashed', async () => {
    expect(await codeOf(misbehave('exits'))).toBe('parser_crashed');
  });

  test('a parser that never yields is killed with parse_timeout', async () => {
    expect(await codeOf(misbehave('hangs', { timeoutMs: 300 }))).toBe('parse_timeout');
  });

  test.skipIf(process.platform !== 'linux')(
    'a parser that works on and on is killed with parse_timeout long before its time',
    async () => {
      const error = await misbehave('hangs', { effortMs: 300 }).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'parse_timeout', detail: expect.stringContaining('of this size') });
    },
  );

  test('a full heap is parse_out_of_memory', async () => {
    expect(await codeOf(misbehave('fills the heap', { memoryMb: 128 }))).toBe('parse_out_of_memory');
  });

  test('buffers, which no heap limit covers, are parse_out_of_memory', async () => {
    expect(await codeOf(misbehave('fills buffers', { memoryMb: 256 }))).toBe('parse_out_of_memory');
  });

  test('an abort kills the process and rejects with its reason', async () => {
    const controller = new AbortController();
    const parsing = misbehave('waits', { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(new Error('cancelled by the test'));
    expect(await parsing).toMatchObject({ message: 'cancelled by the test' });
  });

  test('an abort while the parser is at work kills it as well', async () => {
    const controller = new AbortController();
    const parsing = misbehave('hangs', { signal: controller.signal }).catch((error: unknown) => error);
    await until(async () => (await readdir(temporary))[0] ?? null);
    controller.abort(new Error('cancelled later'));
    expect(await parsing).toMatchObject({ message: 'cancelled later' });
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a part starts no process when the others have used up the time of the file', async () => {
    const input = { path: '/dev/null', mediaType: 'application/pdf', fileName: null, limits: LIMITS };
    const options = { timeoutMs: 50_000, spentMs: 50_000, memoryMb: 512 };
    expect(await codeOf(readPart(input, { first: 1, last: 1 }, options))).toBe('parse_timeout');
    expect(await readdir(temporary)).toEqual([]);
  });

  test('parts that processes of their own have read are put together by another one', async () => {
    const options = { timeoutMs: 50_000, memoryMb: 512 };
    await withFile(buildPdf(['A well-known heron.', 'It nests by the well-\nknown lake.']), async (path) => {
      const input = { path, mediaType: 'application/pdf', fileName: null, limits: LIMITS };
      expect(await parseUpTo(input, 1, options)).toEqual({ pageCount: 2 });
      async function* parts() {
        for (const page of [1, 2]) yield await readPart(input, { first: page, last: page }, options);
      }
      expect(await assembleParts(input, parts(), options)).toEqual(await parseInChildProcess(input, options));
    });
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a part that is damaged is parser_crashed', async () => {
    await withFile(buildPdf(['Hello.']), async (path) => {
      const input = { path, mediaType: 'application/pdf', fileName: null, limits: LIMITS };
      async function* parts() {
        yield Buffer.from('no part');
      }
      expect(await codeOf(assembleParts(input, parts(), { timeoutMs: 50_000, memoryMb: 512 }))).toBe('parser_crashed');
    });
  });

  test('an aborted signal starts no process', async () => {
    await expect(misbehave('waits', { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(await readdir(temporary)).toEqual([]);
  });

  test('the process has no environment and a directory of its own', async () => {
    const document = await misbehave('answers');
    expect(document.warnings).toEqual([]);
    expect(document.blocks).toMatchObject([{ text: expect.stringContaining('anyrag-parse-') }]);
  });

  test('the process can neither write elsewhere nor start programs', async () => {
    expect(await codeOf(misbehave('writes elsewhere'))).toBe('parser_crashed');
    expect(existsSync(fileURLToPath(new URL('written', FIXTURES)))).toBe(false);
    expect(await codeOf(misbehave('starts a program'))).toBe('parser_crashed');
  });

  test('the process can read neither other files nor the environment of its parent', async () => {
    expect(await codeOf(misbehave('reads elsewhere'))).toBe('parser_crashed');
    expect(await codeOf(misbehave('reads the environment of its parent'))).toBe('parser_crashed');
  });

  test('the process cannot start a thread, which would not have its limits', async () => {
    expect(await codeOf(misbehave('starts a thread without limits'))).toBe('parser_crashed');
  });

  test('nothing is left in the temporary directory, however it ends', async () => {
    await Promise.allSettled([misbehave('answers'), misbehave('throws'), misbehave('hangs', { timeoutMs: 200 })]);
    expect(await readdir(temporary)).toEqual([]);
  });

  test('a parser that never yields dies when its parent is killed', async () => {
    const parent = spawn(process.execPath, [fileURLToPath(new URL('parent.ts', FIXTURES))], {
      env: { TMPDIR: temporary },
      stdio: 'ignore',
    });
    const pid = await until(async () => {
      const [directory] = await readdir(temporary);
      const path = join(temporary, directory ?? 'none', 'pid');
      return existsSync(path) ? Number(await readFile(path, 'utf8')) || null : null;
    });
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await until(async () => (isRunning(pid) ? null : true));
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
