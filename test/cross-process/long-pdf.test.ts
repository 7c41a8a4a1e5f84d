import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { EMBED_STRETCH, PARSE_PAGES } from '../../src/ingestion/jobs.ts';
import type { Job, JobProgress } from '../../src/jobs/index.ts';
import { buildPdf } from '../document-builders.ts';
import { createUser } from '../factories.ts';
import { startIngestWorkers } from '../harness/ingest-workers.ts';
import { createTestPipeline } from '../harness/pipeline.ts';
import { storedContent } from '../harness/stored-content.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { jobById } from '../harness/worker.ts';
import { BOUNDARIES, type Boundary } from './ingest-boundaries.ts';

// A long PDF through real worker processes, with the real parsers in processes of their own.

/** More than are read at once. `script/nightly` takes 2,000 and every boundary. */
const PAGES = Number(process.env.LONG_PDF_PAGES ?? 550);
const boundaries = process.env.LONG_PDF_PAGES === undefined ? BOUNDARIES.filter(({ isUsual }) => isUsual) : BOUNDARIES;
const MOST_MS = 240_000;

/** Sentences run on over line ends, words are hyphenated, and each page has words of its own. */
const PDF = buildPdf(
  Array.from({ length: PAGES }, (_, page) => [
    ...(page % 5 === 0 ? [`# Chapter ${page / 5 + 1}`, ''] : []),
    ...Array.from(
      { length: 8 },
      (_, line) => `Line ${line} of page ${page + 1} tells of p${page + 1}l${line} and of a well-`,
    ),
    'known marker, which is an exam-',
    'ple of what runs on.',
  ]),
  { title: 'A long book' },
);

interface Ingested {
  job: Job;
  stored: Awaited<ReturnType<typeof storedContent>>;
  children: { job_type: string; status: string; workers: number; worker: string }[];
  /** Of the job while its pages were read, as it was polled. */
  progress: JobProgress[];
  /** How the workers had ended when the job was done. */
  ends: (number | NodeJS.Signals | null)[];
}

async function ingest(boundary: Boundary | null): Promise<Ingested> {
  const p = await createTestPipeline();
  onTestFinished(p.close);
  const { subject } = await createUser(p.db);
  const { jobId } = await p.acceptFile(subject, PDF, 'long.pdf');
  const workers = await startIngestWorkers(p, 2, boundary);
  try {
    const progress: JobProgress[] = [];
    const job = await waitUntil(
      async () => {
        const seen = await jobById(p.db, jobId);
        if (seen.progress?.stage === 'parse') progress.push(seen.progress);
        return seen.finishedAt === null ? null : seen;
      },
      'the end of the ingestion',
      MOST_MS,
    );
    if (boundary !== null) await readFile(join(p.directory, 'killed'));
    const stored = await storedContent(p.db);
    return { job, stored, children: await childrenOf(p.db, jobId), progress, ends: workers.ends() };
  } finally {
    await workers.stop();
  }
}

/** With the worker of the first claim of each, and how many different ones have had it. */
async function childrenOf(db: Database, jobId: string): Promise<Ingested['children']> {
  return db.query(sql`SELECT job_type, status, count(DISTINCT claim.value ->> 2) AS workers, min(claim.value ->> 2) AS worker
    FROM jobs, json_each('[' || substr(timeline, 2) || ']') claim
    WHERE parent_id = ${jobId} AND claim.value ->> 1 = 'claimed' GROUP BY seq ORDER BY seq`);
}

describe(`a PDF of ${PAGES} pages`, async () => {
  let undisturbed: Promise<Ingested> | null = null;
  const reference = () => {
    undisturbed ??= ingest(null);
    return undisturbed;
  };

  test(
    'is read by two workers side by side, and the job shows how many pages they have read',
    async () => {
      const { job, children, progress, stored } = await reference();

      expect(job).toMatchObject({ status: 'completed', attempts: 1, error: null, result: { warnings: [] } });
      const readers = children.filter(({ job_type }) => job_type === PARSE_PAGES);
      expect(readers.length).toBe(Math.ceil(PAGES / 250));
      expect(new Set(readers.map(({ worker }) => worker)).size).toBe(2);
      expect(new Set(children.map(({ status }) => status))).toEqual(new Set(['completed']));
      const seen = new Set(progress.filter(({ total }) => total === PAGES).map(({ done }) => done));
      expect([...seen].some((done) => done > 0 && done < PAGES)).toBe(true);
      expect([...seen]).toEqual([...seen].sort((a, b) => a - b));
      expect(stored.faults).toEqual([]);
      expect(children.some(({ job_type }) => job_type === EMBED_STRETCH)).toBe(PAGES >= 2_000);
    },
    MOST_MS,
  );

  test.each(boundaries)(
    'is the same document when a worker is killed $name',
    async (boundary) => {
      const { stored } = await reference();

      const killed = await ingest(boundary);

      expect(killed.ends.filter((end) => end !== null)).toEqual(['SIGKILL']);
      expect(killed.job).toMatchObject({ status: 'completed', error: null });
      expect(killed.stored).toEqual(stored);
    },
    MOST_MS,
  );
});
