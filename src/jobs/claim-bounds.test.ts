import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../test/harness/queue.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { claimJobs, selectRunnable } from './queries.ts';

const EVERYWHERE = ['default', 'q'].flatMap((queue) => ['work', 'other'].map((jobType) => ({ queue, jobType })));

let db: Database;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  queue = queueOn(db);
  await queue.register('a', ['work', 'other']);
  return created.close;
});

async function claimedTypes(limit: number, caps: Record<string, number>): Promise<unknown[]> {
  const options = { caps: new Map(Object.entries(caps)), rated: true };
  const [rows] = await queue.run(claimJobs('a', EVERYWHERE, limit, options));
  return rows!.map(({ job_type }) => job_type).sort();
}

describe('the cap of a type', () => {
  test('holds over all its queues together, and keeps no other type from its places', async () => {
    const urgent = { priority: -1 };
    await queue.enqueueAll([urgent, urgent, { ...urgent, queue: 'q' }, { ...urgent, queue: 'q' }]);
    await queue.enqueueAll([{ jobType: 'other' }, { jobType: 'other', queue: 'q' }, { jobType: 'other' }]);

    expect(await claimedTypes(4, { work: 1, other: 4 })).toEqual(['other', 'other', 'other', 'work']);
  });

  test('takes the best of all its queues', async () => {
    const [, best] = await queue.enqueueAll([{ priority: 2 }, { priority: 1, queue: 'q' }, { priority: 3 }]);

    const [rows] = await queue.run(claimJobs('a', EVERYWHERE, 4, { caps: new Map([['work', 1]]) }));

    expect(rows!.map(({ job_id }) => job_id)).toEqual([best]);
  });

  test('holds for jobs that waited for their rate as well', async () => {
    const rate = (key: string) => ({ rate: { key, intervalMs: 10_000 } });
    await queue.enqueueAll([{}, rate('r'), rate('s'), { ...rate('t'), queue: 'q' }]);

    expect(await claimedTypes(8, { work: 2 })).toEqual(['work', 'work']);
    expect(await claimedTypes(8, { work: 8 })).toEqual(['work', 'work']);
  });

  test('of nothing leaves the type alone', async () => {
    await queue.enqueueAll([{}, { jobType: 'other' }]);

    expect(await claimedTypes(8, { work: 0 })).toEqual(['other']);
  });
});

describe('a job with a rate that has crashed before', () => {
  test('is claimed alone, and not before its rate lets it', async () => {
    const rate = { key: 'r', intervalMs: 10_000 };
    const id = await queue.enqueue({ rate });
    await queue.claim('a');
    await queue.die('a');
    await queue.run(sql`DELETE FROM workers`);
    await queue.register('a');
    await queue.passTime();
    await queue.enqueue();

    expect(await selectRunnable(db, null, ['work'])).toMatchObject({ suspects: [], rated: false });
    expect((await queue.claim('a')).map(({ jobId }) => jobId)).not.toContain(id);
    expect(await queue.claim('a')).toEqual([]);

    await queue.run(sql`UPDATE job_rates SET due_at = 0`);
    await queue.enqueue();
    const line = { queue: 'default', jobType: 'work' };
    expect(await selectRunnable(db, null, ['work'])).toMatchObject({ lines: [line], suspects: [line], rated: false });
    expect((await queue.claim('a')).map(({ jobId }) => jobId)).not.toContain(id);
    expect((await queue.claim('a')).map(({ jobId }) => jobId)).toEqual([id]);
    expect(await db.query(sql`SELECT 1 FROM job_rates WHERE due_at > 0`)).toHaveLength(1);
  });
});

describe('a child', () => {
  test('counts as open from the moment it is added, whoever adds it', async () => {
    const parent = await queue.enqueue();
    const [child] = await queue.enqueueAll([
      { parentId: parent, uniqueKey: 'k' },
      { parentId: parent, uniqueKey: 'k' },
    ]);
    expect(await queue.row(parent)).toMatchObject({ open_children: 1 });

    await queue.run(sql`UPDATE jobs SET status = 'completed', finished_at = 1 WHERE job_id = ${child!}`);
    expect(await queue.row(parent)).toMatchObject({ open_children: 0 });
  });
});
