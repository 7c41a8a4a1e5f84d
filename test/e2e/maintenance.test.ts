import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { now, sql } from '../../src/db/sql.ts';
import { startServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { finishedJob } from '../harness/worker.ts';

test('a server clears away what is past its time by itself, once although it has two workers', async () => {
  const server = await startServer({ workers: 2, env: { JOB_RETENTION_DAYS: '1' } });
  onTestFinished(() => server.stop());
  const db = await openFileDatabase({ path: join(server.dataDir, 'anyrag.db'), durability: 'normal' });
  onTestFinished(() => db.close());
  const ofMaintenance = sql`schedule_id = 'maintenance'`;
  await waitUntil(async () => (await db.query(sql`SELECT 1 FROM job_schedules WHERE ${ofMaintenance}`)).length === 1);
  const fired = server.next('schedule.fired');

  await db.batch([
    sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, finished_at, created_at, updated_at)
      VALUES ('old', 'work', '{}', 'completed', 1, 1, 1, 1)`,
    sql`UPDATE job_schedules SET next_at = ${now} WHERE ${ofMaintenance}`,
  ]);

  expect(await fired).toMatchObject({ schedule_id: 'maintenance' });
  const [first] = await db.query<{ job_id: string }>(
    sql`SELECT job_id FROM jobs WHERE job_type = 'maintenance' ORDER BY seq`,
  );
  expect(await finishedJob(db, first!.job_id)).toMatchObject({ status: 'completed', result: { jobs_by_age: 1 } });
  expect(await db.query(sql`SELECT 1 FROM jobs WHERE job_id = 'old'`)).toEqual([]);
  // A slot may have come while the test ran; none has two jobs.
  const [counts] = await db.query(sql`SELECT (SELECT count(*) FROM jobs WHERE job_type = 'maintenance')
    - (SELECT count(*) FROM job_schedule_fires WHERE ${ofMaintenance}) AS surplus`);
  expect(counts).toEqual({ surplus: 0 });
});
