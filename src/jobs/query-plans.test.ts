import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { planOf } from '../../test/harness/query-plan.ts';
import type { Database } from '../db/database.ts';
import { type Statement, sql } from '../db/sql.ts';
import {
  cancelJob,
  claimJobs,
  deleteDeadWorkers,
  extendLease,
  jobList,
  promoteDueJobs,
  releaseUnheld,
  requireClaim,
  rescueJobs,
  selectCancelRequests,
  settleJob,
  updateProgress,
} from './queries.ts';

const CLAIM = { seq: 1, fence: 1 };
const ERROR = { code: 'job_failed', message: '', retryable: true } as const;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

/** What each statement that every cycle or beat runs must use, whatever else is in the table. */
const HOT: [name: string, statement: Statement, uses: string[]][] = [
  ['claim', claimJobs('w', 2), ['jobs_ready', 'INTEGER PRIMARY KEY', 'PRIMARY KEY (worker_id=?)']],
  ['promote', promoteDueJobs(), ['jobs_timer (run_at<?)', 'INTEGER PRIMARY KEY']],
  ['rescue', rescueJobs(), ['jobs_held', 'INTEGER PRIMARY KEY', 'PRIMARY KEY (worker_id=?)']],
  ['extendLease', extendLease('w', 1), ['PRIMARY KEY (worker_id=?)']],
  ['cancel requests', selectCancelRequests('w'), ['jobs_held (worker_id=?)']],
  ['release of what is not held', releaseUnheld('w', [1]), ['jobs_held (worker_id=?)']],
  ['deletion of dead workers', deleteDeadWorkers(), ['jobs_held (worker_id=?)']],
  ['settle completed', settleJob(CLAIM, { kind: 'completed', result: null }), ['INTEGER PRIMARY KEY']],
  ['settle failed', settleJob(CLAIM, { kind: 'failed', error: ERROR }), ['INTEGER PRIMARY KEY']],
  ['settle retry', settleJob(CLAIM, { kind: 'retry', error: ERROR, delayMs: 1 }), ['INTEGER PRIMARY KEY']],
  ['settle released', settleJob(CLAIM, { kind: 'released', delayMs: 0 }), ['INTEGER PRIMARY KEY']],
  ['settle cancelled', settleJob(CLAIM, { kind: 'cancelled' }), ['INTEGER PRIMARY KEY']],
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
/** The index of live rows is read from end to end, which is what is meant: it holds nothing else. */
const READ_WHOLE: Record<string, RegExp> = {
  claim: /^SCAN jobs USING (COVERING )?INDEX jobs_ready$/,
  'deletion of dead workers': /^SCAN workers$/,
};

let db: Database;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ db, close } = await createTestDatabase());
});
afterAll(() => close());

function finishedRows(count: number): Statement {
  return sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, finished_at, created_at, updated_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    SELECT 'job ' || i, 'work', '{}', 'completed', i, i, i, i FROM n`;
}

const TABLES: [name: string, statements: Statement[]][] = [
  ['an empty table', []],
  ['20,000 finished rows', [finishedRows(20_000)]],
  ['20,000 finished rows and statistics', [sql`ANALYZE`]],
];

describe.each(TABLES)('over %s', (_, statements) => {
  beforeAll(async () => {
    if (statements.length > 0) await db.batch(statements);
  });

  test.each(HOT)('%s uses its index, scans no table and sorts nothing', async (name, statement, uses) => {
    const plan = await planOf(db, statement);

    for (const index of uses) expect(plan.join('\n')).toContain(index);
    const scans = plan.filter((step) => /^SCAN (?!CONSTANT|json_each)/.test(step));
    expect(scans.filter((step) => !READ_WHOLE[name]?.test(step))).toEqual([]);
    expect(plan.filter((step) => step.includes('TEMP B-TREE'))).toEqual([]);
  });
});
