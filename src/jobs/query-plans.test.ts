import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { planOf } from '../../test/harness/query-plan.ts';
import type { Database } from '../db/database.ts';
import { type Statement, sql } from '../db/sql.ts';
import { cancelJob } from './control/queries.ts';
import type { Outcome } from './job.ts';
import {
  advanceTurns,
  claimJobs,
  claimSuspect,
  deleteDeadWorkers,
  extendLease,
  promoteDueJobs,
  releaseLost,
  requireClaim,
  rescueJobs,
  selectCancelRequests,
  selectHeld,
  settleJobs,
  updateProgress,
} from './queries.ts';
import { jobList } from './watch/queries.ts';

const CLAIM = { seq: 1, fence: 1 };
const ERROR = { code: 'job_failed', message: '', retryable: true } as const;
const LINES = [
  { queue: 'default', jobType: 'work' },
  { queue: 'default', jobType: 'other' },
];
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

function settle(outcome: Outcome): Statement {
  return settleJobs([{ job: CLAIM, outcome }])[0]!;
}

/** What each statement that every cycle or beat runs must use, whatever else is in the table. */
const HOT: [name: string, statement: Statement, uses: string[]][] = [
  [
    'claim',
    claimJobs('w', LINES.slice(0, 1), 2),
    ['jobs_ready (queue=? AND job_type=?)', 'INTEGER PRIMARY KEY', 'PRIMARY KEY (worker_id=?)'],
  ],
  ['claim from lines', claimJobs('w', LINES, 2), ['jobs_ready (queue=? AND job_type=?)']],
  [
    'claim with rates',
    claimJobs('w', LINES, 2, { rated: true }),
    ['jobs_rated (rate_key=? AND queue=? AND job_type=?)'],
  ],
  ['claim of a suspect', claimSuspect('w', LINES), ['jobs_suspect (queue=? AND job_type=?)']],
  ['turns', advanceTurns('w', ['default']), ['jobs_held (worker_id=?)']],
  ['promote', promoteDueJobs(), ['jobs_timer (run_at<?)', 'INTEGER PRIMARY KEY']],
  ['rescue', rescueJobs(), ['jobs_held', 'INTEGER PRIMARY KEY', 'PRIMARY KEY (worker_id=?)']],
  ['extendLease', extendLease('w', 1), ['PRIMARY KEY (worker_id=?)']],
  ['cancel requests', selectCancelRequests('w'), ['jobs_held (worker_id=?)']],
  ['held claims', selectHeld('w'), ['jobs_held (worker_id=?)']],
  ['release of lost claims', releaseLost([CLAIM]), ['INTEGER PRIMARY KEY']],
  ['deletion of dead workers', deleteDeadWorkers(), ['jobs_held (worker_id=?)']],
  ['settle completed', settle({ kind: 'completed', result: null }), ['INTEGER PRIMARY KEY']],
  ['settle failed', settle({ kind: 'failed', error: ERROR }), ['INTEGER PRIMARY KEY']],
  ['settle retry', settle({ kind: 'retry', error: ERROR, delayMs: 1 }), ['INTEGER PRIMARY KEY']],
  ['settle released', settle({ kind: 'released', delayMs: 0 }), ['INTEGER PRIMARY KEY']],
  ['settle cancelled', settle({ kind: 'cancelled' }), ['INTEGER PRIMARY KEY']],
  ['progress', updateProgress(CLAIM, { stage: 's', done: 0, total: 1 }), ['INTEGER PRIMARY KEY']],
  ['fence check', requireClaim(CLAIM), ['INTEGER PRIMARY KEY']],
  [
    "an owner's list",
    jobList(
      { all: false, ownerId: 'o', pollTokenHash: null },
      { status: 'failed', jobType: null, beforeSeq: 9, limit: 5 },
    ),
    ['jobs_by_owner (owner_id=? AND seq<?)'],
  ],
  ['cancel', cancelJob('id', EVERYBODY)[2]!, ['job_id=?']],
];
/** What is read from end to end on purpose, because it holds few rows or only live ones. */
const READ_WHOLE: Record<string, RegExp> = {
  'claim with rates': /^SCAN r$/,
  "an owner's list": /^SCAN w$/,
  'deletion of dead workers': /^SCAN workers$/,
};
/** What merges the few rows that each line has found, in order already, into the best of all. */
const MERGES = /^claim (from lines|with rates|of a suspect)$/;
/** What the lines of a claim have found, each bounded by its limit. */
const FOUND = /^SCAN \(subquery-\d+\)$/;

let db: Database;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ db, close } = await createTestDatabase());
});
afterAll(() => close());

/** In transactions of a second at most: a server takes the lock away from longer ones. */
const SLICE = 20_000;

function finishedRows(count: number): Statement[] {
  const slices = Array.from({ length: Math.ceil(count / SLICE) }, (_, index) => index * SLICE);
  return slices.map(
    (from) => sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, finished_at, created_at, updated_at)
      WITH RECURSIVE n (i) AS (SELECT ${from} + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${Math.min(count, from + SLICE)})
      SELECT 'job ' || i, 'work', '{}', 'completed', i, i, i, i FROM n`,
  );
}

function futureRows(count: number): Statement[] {
  const slices = Array.from({ length: Math.ceil(count / SLICE) }, (_, index) => index * SLICE);
  return slices.map(
    (from) => sql`INSERT INTO jobs (job_id, job_type, payload, priority, wait, run_at, created_at, updated_at)
      WITH RECURSIVE n (i) AS (SELECT ${from} + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${Math.min(count, from + SLICE)})
      SELECT 'later ' || i, 'work', '{}', -1, 'time', 9e14, i, i FROM n`,
  );
}

/** A million in the long run. */
const FINISHED = Number(process.env.QUEUE_FINISHED ?? 20_000);

const TABLES: [name: string, statements: Statement[]][] = [
  ['25: over an empty table', []],
  [`25: over ${FINISHED} finished rows`, finishedRows(FINISHED)],
  [`25: over ${FINISHED} finished rows and statistics`, [sql`ANALYZE`]],
  ['21, 25: over 100,000 jobs of a better priority that are not due', futureRows(100_000)],
  ['21, 25: over the same and statistics', [sql`ANALYZE`]],
];

describe.each(TABLES)('%s', (_, statements) => {
  beforeAll(async () => {
    for (const statement of statements) await db.batch([statement]);
  }, 600_000);

  test('the engine of this run is told', async () => {
    const [row] = await db.query<{ version: string }>(sql`SELECT sqlite_version() AS version`);
    // SQLite 3.45 is that of libSQL, which the tests meet over the network protocol.
    expect(row!.version).toMatch(process.env.TEST_DRIVER === 'remote' ? /^3\.4[5-9]/ : /^3\.(4[5-9]|[5-9]\d)/);
  });

  test.each(HOT)('%s uses its index, scans no table and sorts nothing', async (name, statement, uses) => {
    const plan = await planOf(db, statement);

    for (const index of uses) expect(plan.join('\n')).toContain(index);
    const scans = plan.filter((step) => /^SCAN (?!CONSTANT|json_each)/.test(step));
    expect(scans.filter((step) => !FOUND.test(step) && !READ_WHOLE[name]?.test(step))).toEqual([]);
    if (!MERGES.test(name)) expect(plan.filter((step) => step.includes('TEMP B-TREE'))).toEqual([]);
  });
});
