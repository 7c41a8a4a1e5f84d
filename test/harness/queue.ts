import type { Database } from '../../src/db/database.ts';
import { now, type Row, type Statement, sql } from '../../src/db/sql.ts';
import {
  advanceTurns,
  type ClaimedJob,
  claimJobs,
  claimSuspect,
  type EnqueueRequest,
  enqueueJob,
  insertWorker,
  type Line,
  type Outcome,
  promoteDueJobs,
  rescueJobs,
  settleJobs,
  toClaimedJob,
} from '../../src/jobs/index.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;

/** The statements of the queue, one step at a time and without a worker process. */
export interface TestQueue {
  enqueue(request?: Partial<EnqueueRequest>): Promise<string>;
  enqueueAll(requests: readonly Partial<EnqueueRequest>[]): Promise<string[]>;
  /** A worker with a lease, for every queue and the types that there are in the tests. */
  register(workerId: string, jobTypes?: readonly string[]): Promise<void>;
  /** Whatever may run, of every queue and type, those with a rate as well; in the order of their turn. */
  claim(workerId: string, limit?: number): Promise<ClaimedJob[]>;
  settle(job: Pick<ClaimedJob, 'seq' | 'fence'>, outcome: Outcome): Promise<void>;
  /** All delays pass. */
  passTime(): Promise<void>;
  /** The worker's lease runs out, and another one takes over. */
  die(workerId: string): Promise<void>;
  row(jobId: string): Promise<Row>;
  run(...statements: Statement[]): Promise<Row[][]>;
}

export function queueOn(db: Database): TestQueue {
  const run = (...statements: Statement[]) => db.batch(statements);

  async function enqueueAll(requests: readonly Partial<EnqueueRequest>[]): Promise<string[]> {
    const jobs = requests.map((request) =>
      enqueueJob({ jobType: 'work', payload: {}, onBehalfOf: SYSTEM, ...request }),
    );
    await run(...jobs.flatMap(({ statements }) => statements));
    return jobs.map(({ jobId }) => jobId);
  }

  return {
    run,
    enqueueAll,
    enqueue: async (request = {}) => (await enqueueAll([request]))[0]!,
    async register(workerId, jobTypes = ['work']) {
      await run(insertWorker({ workerId, host: 'here', pid: 1, queues: null, jobTypes, leaseMs: 600_000 }));
    },
    async claim(workerId, limit = 10) {
      const lines = await db.query<Line>(
        sql`SELECT DISTINCT queue, job_type AS "jobType" FROM jobs WHERE status = 'pending'`,
      );
      if (lines.length === 0) return [];
      const turns = advanceTurns(workerId, [...new Set(lines.map(({ queue }) => queue))]);
      let [rows] = await run(claimJobs(workerId, lines, limit, { rated: true }), turns);
      if (rows!.length === 0) [rows] = await run(claimSuspect(workerId, lines));
      return rows!.map(toClaimedJob).sort((a, b) => a.priority - b.priority || a.vt - b.vt || a.seq - b.seq);
    },
    async settle(job, outcome) {
      await run(...settleJobs([{ job, outcome }]));
    },
    async passTime() {
      await run(sql`UPDATE jobs SET run_at = ${now} WHERE status = 'pending' AND wait = 'time'`, promoteDueJobs());
    },
    async die(workerId) {
      await run(sql`UPDATE workers SET lease_until = ${now} - 1 WHERE worker_id = ${workerId}`, rescueJobs());
    },
    async row(jobId) {
      return (await db.query(sql`SELECT * FROM jobs WHERE job_id = ${jobId}`))[0]!;
    },
  };
}
