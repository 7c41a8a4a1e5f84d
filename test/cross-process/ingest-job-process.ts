import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { jobSubject } from '../../src/access/index.ts';
import type { Database } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { sql } from '../../src/db/sql.ts';
import { createPipeline } from '../../src/ingestion/jobs.ts';
import { openDirectoryStorage } from '../../src/storage/index.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { JobRunDependencies } from '../../src/worker/job-run.ts';
import { followWorker, serveJobs } from '../../src/worker/serve-jobs.ts';
import { fakeEmbeddingModel } from '../fakes/embedding-model.ts';
import { testRules } from '../harness/ingestion-rules.ts';
import { interceptBatches, mentions } from '../harness/intercept.ts';
import { ingestionHandlers } from '../harness/pipeline.ts';
import type { Boundary } from './ingest-boundaries.ts';

const directory = process.env.TEST_DIRECTORY!;

/** What `ingest-worker-process.ts` and the processes of its jobs open: the real pipeline, with a fake model. */
export async function openIngestRuns(wrap: (db: Database) => Database): Promise<JobRunDependencies> {
  const { database } = await openDatabase({ url: process.env.TEST_DATABASE!, durability: 'normal' });
  const db = wrap(database);
  const storage = await openDirectoryStorage(join(directory, 'files'));
  const pipeline = createPipeline(
    { db, storage, embeddingModel: fakeEmbeddingModel(), temporaryDirectory: directory },
    {
      maxBytes: 100_000_000,
      outboundAllow: [],
      rules: testRules(),
      limits: { maxPages: 10_000, maxTextChars: 50_000_000, maxExpandedBytes: 1_000_000_000 },
      parseTimeoutMs: 600_000,
      parseMemoryMb: 1_024,
    },
  );
  return {
    db,
    log: createLogger({ level: 'info', service: 'worker' }),
    handlers: ingestionHandlers(pipeline),
    resolveSubject: (job) => jobSubject({ db }, job),
    jobTimeoutMs: 600_000,
    abortGraceMs: 5_000,
  };
}

/** The worker that gets to the boundary first dies there with this process of it: SIGKILL, once in a test. */
function killedAt({ pattern, when, isLastPart }: Boundary): (db: Database) => Database {
  return (db) =>
    interceptBatches(db, async (statements, run) => {
      const isHit = mentions(statements, new RegExp(pattern));
      if (isHit && when === 'before') await killOnce();
      const rows = await run(statements);
      if (isHit && when === 'after' && (!isLastPart || (await isEveryPartRead(db)))) await killOnce();
      return rows;
    });
}

async function isEveryPartRead(db: Database): Promise<boolean> {
  return (await db.query(sql`SELECT 1 FROM document_parts WHERE reader IS NULL`)).length === 0;
}

async function killOnce(): Promise<void> {
  try {
    const mark = await open(join(directory, 'killed'), 'wx');
    await mark.writeFile(String(process.ppid));
    await mark.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  process.kill(process.ppid, 'SIGKILL');
  process.kill(process.pid, 'SIGKILL');
}

if (import.meta.main) {
  followWorker();
  const boundary = process.env.TEST_BOUNDARY;
  serveJobs(await openIngestRuns(boundary === undefined ? (db) => db : killedAt(JSON.parse(boundary))));
}
