import { readFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createUser } from '../../../test/factories.ts';
import { createTestPipeline, type TestPipeline } from '../../../test/harness/pipeline.ts';
import { waitUntil } from '../../../test/harness/wait-until.ts';
import { finishedJob, jobById } from '../../../test/harness/worker.ts';
import { sql } from '../../db/sql.ts';
import { AppError } from '../../errors/app-error.ts';
import { type JobProgress, retryJob } from '../../jobs/index.ts';
import type { PageRange, ParsedDocument } from '../parsers/parsed-document.ts';
import { MAX_PAGES_AT_ONCE, PARSE_PAGES, rangesOf } from './parse-parts.ts';
import type { ParseRun } from './stage.ts';

const PAGES = 900;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

/** The text of each page; the file is the pages with form feeds between them. */
const TEXTS = Array.from({ length: PAGES }, (_, index) => `Page ${index + 1} tells of p${index + 1}x.`);

interface PagedPipeline extends TestPipeline {
  /** Ranges that were read, failed attempts included. */
  readonly read: PageRange[];
  /** Called before a range is read; what it throws is what the parser throws. */
  before(range: PageRange, run: ParseRun): void | Promise<void>;
  accept(): Promise<{ jobId: string; documentId: string }>;
}

/** The pipeline with a small parser of files with pages. */
async function pagedPipeline(): Promise<PagedPipeline> {
  const p = await createTestPipeline();
  onTestFinished(p.close);
  const { subject } = await createUser(p.db);
  const paged: PagedPipeline = {
    ...p,
    read: [],
    before: () => {},
    accept: () => p.acceptText(subject, TEXTS.join('\f')),
  };
  p.deps.parse = async ({ path }) => {
    const pages = (await readFile(path, 'utf8')).split('\f');
    return pages.length > MAX_PAGES_AT_ONCE ? { pageCount: pages.length } : documentOf(pages);
  };
  p.deps.readPart = async ({ path }, range, run) => {
    paged.read.push(range);
    await paged.before(range, run);
    const pages = (await readFile(path, 'utf8')).split('\f');
    return Buffer.from(JSON.stringify(pages.slice(range.first - 1, range.last)));
  };
  p.deps.assemble = async (_, parts) => {
    const pages: string[] = [];
    for await (const part of parts) pages.push(...JSON.parse(Buffer.from(part).toString()));
    return documentOf(pages);
  };
  return paged;
}

function documentOf(pages: readonly string[]): ParsedDocument {
  const blocks = pages.map((text, index) => ({ kind: 'paragraph' as const, text, page: index + 1 }));
  return { title: null, blocks, pageCount: pages.length, warnings: [] };
}

async function storedText({ db }: TestPipeline): Promise<string> {
  const [row] = await db.query<{ text: string }>(sql`SELECT text FROM document_texts`);
  return row!.text;
}

async function countParts({ db }: TestPipeline): Promise<number> {
  return (await db.query(sql`SELECT 1 FROM document_parts`)).length;
}

test('ranges hold every page once, in order', () => {
  for (const pageCount of [501, 750, 751, 1_999, 2_000]) {
    const pages = rangesOf(pageCount).flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, index) => first + index),
    );
    expect(pages).toEqual(Array.from({ length: pageCount }, (_, index) => index + 1));
  }
});

describe('a document with many pages', () => {
  test('is read by children on all workers, and is put together in order', async () => {
    const p = await pagedPipeline();
    // The first waits for another one, which only another worker can take.
    p.before = async () => void (await waitUntil(() => p.read.length > 1));
    const { jobId } = await p.accept();
    await p.startWorker({ concurrency: 1 });
    await p.startWorker({ concurrency: 1 });

    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });

    expect(await storedText(p)).toBe(TEXTS.join('\n\n'));
    const children = await p.db.query<{ status: string; attempts: number; worker: string }>(sql`SELECT status, attempts,
      (SELECT value ->> 2 FROM json_each('[' || substr(timeline, 2) || ']') WHERE value ->> 1 = 'claimed') AS worker
      FROM jobs WHERE parent_id = ${jobId} AND job_type = ${PARSE_PAGES}`);
    expect(children.map(({ status, attempts }) => [status, attempts])).toEqual(
      rangesOf(PAGES).map(() => ['completed', 1]),
    );
    expect(new Set(children.map(({ worker }) => worker)).size).toBe(2);
    expect(p.read).toHaveLength(rangesOf(PAGES).length);
  });

  test('shows how many of its pages have been read, and keeps no part of what was read', async () => {
    const p = await pagedPipeline();
    const { jobId } = await p.accept();
    const seen: (JobProgress | null)[] = [];
    p.before = async () => void seen.push((await jobById(p.db, jobId)).progress);
    await p.startWorker({ concurrency: 1 });
    await finishedJob(p.db, jobId);

    expect(seen).toEqual([0, 250, 500, 750].map((done) => ({ stage: 'parse', done, total: PAGES })));
    expect(await countParts(p)).toBe(0);
  });

  test('is finished by the job itself where a child has failed', async () => {
    const p = await pagedPipeline();
    let failures = 0;
    p.before = ({ first }) => {
      if (first === 501 && failures++ === 0) throw new AppError('parse_out_of_memory');
    };
    const { jobId } = await p.accept();
    await p.startWorker();

    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await storedText(p)).toBe(TEXTS.join('\n\n'));
    expect(p.read).toHaveLength(rangesOf(PAGES).length + 1);
  });

  test('fails as a part fails, keeps nothing, and begins anew when it is tried again', async () => {
    const p = await pagedPipeline();
    p.before = ({ first }) => {
      if (first === 501) throw new AppError('document_too_large', 'What the parser says.');
    };
    const { jobId } = await p.accept();
    await p.startWorker();

    expect(await finishedJob(p.db, jobId)).toMatchObject({
      status: 'failed',
      error: { code: 'document_too_large', message: 'What the parser says.' },
    });
    expect(await countParts(p)).toBe(0);

    p.before = () => {};
    await p.db.batch(retryJob(jobId, EVERYBODY));
    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed' });
    expect(await storedText(p)).toBe(TEXTS.join('\n\n'));
  });

  test('has one limit of time for all of its parts', async () => {
    const p = await pagedPipeline();
    const spent: number[] = [];
    p.before = async (_, run) => {
      spent.push(run.spentMs);
      if (spent.length === 1)
        await p.db.batch([sql`UPDATE document_parts SET took_ms = 1000000 WHERE first_page = 751`]);
    };
    const { jobId } = await p.accept();
    await p.startWorker({ concurrency: 1 });
    await finishedJob(p.db, jobId);

    expect(spent[0]).toBe(0);
    expect(Math.min(...spent.slice(1))).toBeGreaterThanOrEqual(1_000_000);
  });

  test('is read again where another version of the program has read it', async () => {
    const p = await pagedPipeline();
    p.before = async ({ first }) => {
      if (first !== 751) return;
      await p.db.batch([sql`UPDATE document_parts SET reader = 'older' WHERE first_page = 1 AND reader IS NOT NULL`]);
      p.before = () => {};
    };
    const { jobId } = await p.accept();
    await p.startWorker({ concurrency: 1 });

    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed' });
    expect(p.read.filter(({ first }) => first === 1)).toHaveLength(2);
    expect(await storedText(p)).toBe(TEXTS.join('\n\n'));
  });
});
