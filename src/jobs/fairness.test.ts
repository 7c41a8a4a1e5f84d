import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../test/harness/queue.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { reviveJobs } from './control/queries.ts';
import type { Outcome } from './job.ts';
import { settleJobs } from './queries.ts';

const ERROR = { code: 'job_failed', message: '', retryable: true } as const;

let db: Database;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  queue = queueOn(db);
  await queue.register('w');
  return created.close;
});

async function enqueueFor(tenant: string, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1_000) {
    await queue.enqueueAll(Array.from({ length: Math.min(left, 1_000) }, () => ({ tenant, payload: { tenant } })));
  }
}

/** Claims and completes; answers whose jobs they were, in order. */
async function work(batches: number, size: number): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < batches; i++) {
    for (const job of await queue.claim('w', size)) {
      seen.push((job.payload as { tenant: string }).tenant);
      await queue.settle(job, { kind: 'completed', result: {} });
    }
  }
  return seen;
}

function countOf(tenant: string, seen: readonly string[]): number {
  return seen.filter((name) => name === tenant).length;
}

describe('20: tenants take turns', () => {
  test.each([1, 8])('ten jobs wait for about ten of a tenant with 10,000, in claims of %i', async (size) => {
    await enqueueFor('A', 10_000);
    await work(Math.ceil(40 / size), size);
    await enqueueFor('B', 10);

    const seen = await work(Math.ceil(60 / size), size);

    const untilDone = seen.slice(0, seen.lastIndexOf('B') + 1);
    expect(countOf('B', untilDone)).toBe(10);
    expect(countOf('A', untilDone)).toBeLessThanOrEqual(11 + size);
  });

  test('each of several tenants delays the ten jobs by about ten', async () => {
    for (const tenant of ['A', 'C', 'D']) await enqueueFor(tenant, 1_000);
    await work(10, 3);
    await enqueueFor('B', 10);

    const seen = await work(80, 1);

    const untilDone = seen.slice(0, seen.lastIndexOf('B') + 1);
    expect(countOf('B', untilDone)).toBe(10);
    for (const tenant of ['A', 'C', 'D']) expect(countOf(tenant, untilDone)).toBeLessThanOrEqual(12);
  });

  test('a tenant that was idle saves up no turns', async () => {
    await enqueueFor('B', 1);
    await enqueueFor('A', 200);
    await work(100, 1);
    await enqueueFor('B', 50);

    const seen = await work(40, 1);

    expect(countOf('A', seen)).toBeGreaterThanOrEqual(19);
    expect(countOf('B', seen)).toBeGreaterThanOrEqual(19);
  });

  test.each([
    ["on somebody's wish", { kind: 'failed', error: ERROR }],
    ['after an attempt that has failed', { kind: 'retry', error: ERROR, delayMs: 60_000 }],
    ['later, without a fault', { kind: 'released', delayMs: 60_000 }],
  ] as [string, Outcome][])('jobs that run again %s come by turns as well', async (_, outcome) => {
    await enqueueFor('A', 100);
    const jobs = await queue.claim('w', 100);
    await queue.run(...settleJobs(jobs.map((job) => ({ job, outcome }))));
    await enqueueFor('B', 20);
    await work(10, 1);
    await queue.run(reviveJobs(jobs.map(({ seq }) => seq)));
    await queue.passTime();

    const seen = await work(40, 1);

    const untilDone = seen.slice(0, seen.lastIndexOf('B') + 1);
    expect(countOf('B', untilDone)).toBe(10);
    expect(countOf('A', untilDone)).toBeLessThanOrEqual(12);
  });

  test('a job that runs again does not wait for all that its tenant has added since', async () => {
    const again = await queue.enqueue({ tenant: 'A', payload: { tenant: 'again' } });
    const [job] = await queue.claim('w', 1);
    expect(job!.jobId).toBe(again);
    await queue.settle(job!, { kind: 'retry', error: ERROR, delayMs: 60_000 });
    await enqueueFor('A', 100);
    await queue.passTime();

    expect(await work(3, 1)).toContain('again');
  });

  test('jobs for later use up no turns until their time has come', async () => {
    await queue.enqueueAll(
      Array.from({ length: 100 }, () => ({ tenant: 'A', delayMs: 60_000, payload: { tenant: 'A' } })),
    );
    await enqueueFor('B', 30);
    await enqueueFor('A', 1);
    expect(await work(3, 1)).toContain('A');

    await queue.passTime();
    const seen = await work(20, 1);

    expect(countOf('A', seen)).toBeGreaterThanOrEqual(9);
    expect(countOf('B', seen)).toBeGreaterThanOrEqual(9);
  });

  test('one with three times the weight gets three times the turns', async () => {
    await queue.run(sql`INSERT INTO job_lanes (queue, tenant, last_vt, weight) VALUES ('default', 'A', 0, 3)`);
    await enqueueFor('A', 100);
    await enqueueFor('B', 100);

    const seen = await work(80, 1);

    expect(countOf('A', seen)).toBeGreaterThanOrEqual(59);
    expect(countOf('A', seen)).toBeLessThanOrEqual(61);
  });

  test('but a better priority comes first, whoever it is from', async () => {
    await enqueueFor('A', 5);
    await queue.enqueueAll([{ tenant: 'B', payload: { tenant: 'B' }, priority: 1 }]);
    await queue.enqueueAll([{ tenant: 'A', payload: { tenant: 'urgent' }, priority: -1 }]);

    expect(await work(7, 1)).toEqual(['urgent', 'A', 'A', 'A', 'A', 'A', 'B']);
  });
});
