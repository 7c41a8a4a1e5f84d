import { describe, expect, onTestFinished, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { interceptBatches, mentions } from '../../test/harness/intercept.ts';
import { createTestPipeline } from '../../test/harness/pipeline.ts';
import { storedContent } from '../../test/harness/stored-content.ts';
import { finishedJob } from '../../test/harness/worker.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';

const URL = 'https://example.com/page';
const SECTIONS = 230;

/** Enough sections, each long enough for a chunk of its own, that every stage writes more than once. */
const CONTENT = Array.from({ length: SECTIONS }, (_, i) => `# Section ${i}\n\n${sentences(i)}`).join('\n\n');

function sentences(section: number): string {
  return Array.from({ length: 20 }, (_, i) => `Here sentence ${i} speaks of word${section}x${i} at length.`).join(' ');
}

/** Runs the pipeline on CONTENT with this database for the worker, and answers what was done and what is stored. */
async function ingest(wrap: (db: Database) => Database) {
  const p = await createTestPipeline();
  onTestFinished(p.close);
  const ada = await createUser(p.db);
  p.web.set(URL, CONTENT);
  let fetches = 0;
  const { fetchToFile } = p.deps;
  p.deps.fetchToFile = (...args) => {
    fetches++;
    return fetchToFile(...args);
  };
  const { jobId } = await p.acceptUrl(ada.subject, URL);
  await p.startWorker({ db: wrap(p.db) });
  const job = await finishedJob(p.db, jobId);
  return { job, fetches, parses: p.parsed.length, embedded: p.model.documentTexts, stored: await storedContent(p.db) };
}

/** The first batch of the pipeline with this text commits, and then whatever ran it fails: a kill at the worst moment. */
function failAfter(pattern: RegExp): (db: Database) => Database {
  return (db) => interrupting(db, pattern, 'after');
}

function failBefore(pattern: RegExp): (db: Database) => Database {
  return (db) => interrupting(db, pattern, 'before');
}

function interrupting(db: Database, pattern: RegExp, when: 'before' | 'after'): Database {
  let armed = true;
  return interceptBatches(db, async (statements, run) => {
    const hit = armed && mentions(statements, pattern);
    if (hit) armed = false;
    if (hit && when === 'before') throw new AppError('database_busy');
    const rows = await run(statements);
    // As when the answer of a server is lost on its way.
    if (hit) throw new AppError('database_unavailable');
    return rows;
  });
}

const WRITES: [stage: string, pattern: RegExp][] = [
  ['fetch', /fetched_at =/],
  ['parse', /parsed_at =/],
  ['the first half of chunk', /INSERT INTO chunks/],
  ['chunk', /chunked_at =/],
  ['the first half of index', /INSERT INTO chunk_words/],
  ['index', /indexed_at =/],
  ['the first batch of embed', /INSERT INTO embedding_cache/],
  ['the first part of embed', /INSERT INTO chunk_vectors/],
  ['embed', /embedded_at =/],
];

describe('an ingestion that is interrupted', async () => {
  let undisturbed: Promise<Awaited<ReturnType<typeof ingest>>> | null = null;
  const reference = () => {
    undisturbed ??= ingest((db) => db);
    return undisturbed;
  };

  test('is compared with one that runs through, which does each thing once', async () => {
    const { job, fetches, parses, embedded, stored } = await reference();

    expect(job).toMatchObject({ status: 'completed', attempts: 1, result: { chunks: SECTIONS } });
    expect({ fetches, parses }).toEqual({ fetches: 1, parses: 1 });
    expect(new Set(embedded).size).toBe(embedded.length);
    expect(stored.faults).toEqual([]);
  });

  test.each(WRITES)('after %s repeats nothing of what was stored', async (_, pattern) => {
    const { stored } = await reference();

    const resumed = await ingest(failAfter(pattern));

    expect(resumed.job).toMatchObject({ status: 'completed', attempts: 2, result: { chunks: SECTIONS } });
    expect({ fetches: resumed.fetches, parses: resumed.parses }).toEqual({ fetches: 1, parses: 1 });
    expect(new Set(resumed.embedded).size).toBe(resumed.embedded.length);
    expect(resumed.stored).toEqual(stored);
  });

  test.each(WRITES)('before the write of %s ends the same', async (_, pattern) => {
    const { stored } = await reference();

    const resumed = await ingest(failBefore(pattern));

    expect(resumed.job).toMatchObject({ status: 'completed', attempts: 2 });
    expect(resumed.stored).toEqual(stored);
  });
});
