import { describe, expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { interceptBatches } from '../../test/harness/intercept.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { startScheduler } from '../../test/schedule-processes/start.ts';
import { databaseNow } from '../db/clock.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { listSchedules, upsertSchedule } from '../jobs/index.ts';
import { createLogger } from '../telemetry/logger.ts';
import { BUILT_IN_SCHEDULES } from './maintenance.ts';
import { Scheduler } from './scheduler.ts';

const log = createLogger({ level: 'silent', service: 'worker' });

async function world() {
  const { db, url, close } = await createTestDatabase();
  onTestFinished(close);
  return { db, url };
}

function start(db: Database, schedules = BUILT_IN_SCHEDULES): Scheduler {
  const scheduler = new Scheduler({ db, log, schedules });
  onTestFinished(() => scheduler.stop());
  scheduler.start();
  return scheduler;
}

async function countJobs(db: Database): Promise<number> {
  return (await db.query<{ n: number }>(sql`SELECT count(*) AS n FROM jobs`))[0]!.n;
}

describe('a scheduler', () => {
  test('adds the built-in schedules, once', async () => {
    const { db } = await world();
    start(db);
    start(db);
    const schedules = await waitUntil(async () => {
      const found = await listSchedules(db);
      return found.length >= BUILT_IN_SCHEDULES.length ? found : null;
    });

    expect(schedules.map(({ scheduleId }) => scheduleId)).toEqual(
      BUILT_IN_SCHEDULES.map(({ scheduleId }) => scheduleId).sort(),
    );
  });

  test('goes on after the database was not to be had', async () => {
    const { db } = await world();
    await upsertSchedule(db, { scheduleId: 's', jobType: 'work', payload: {}, cron: '0 0 1 1 *' });
    await db.batch([sql`UPDATE job_schedules SET next_at = ${await databaseNow(db)}`]);
    let refusals = 0;
    const failing = interceptBatches(db, (statements, run) =>
      refusals++ === 0 ? Promise.reject(new Error('busy')) : run(statements),
    );
    start(failing, []);

    await waitUntil(async () => (await countJobs(db)) === 1);
    expect(refusals).toBe(2);
  });

  test('stops at once, though the next slot is far away, and may be stopped twice', async () => {
    const { db } = await world();
    const scheduler = start(db);
    await waitUntil(async () => (await listSchedules(db)).length > 0);

    await scheduler.stop();
    await scheduler.stop();
  });

  test('fires a slot when it comes', async () => {
    const { db } = await world();
    await upsertSchedule(db, { scheduleId: 's', jobType: 'work', payload: {}, cron: '* * * * * *' });
    start(db, []);

    await waitUntil(async () => (await countJobs(db)) >= 2);
  });
});

describe('22: three scheduler processes on one database', () => {
  test('add the job of each slot once, also when one of them is killed', async () => {
    const { db, url } = await world();
    const SCHEDULES = 20;
    for (let i = 0; i < SCHEDULES; i++) {
      const schedule = { scheduleId: `s${i}`, jobType: 'work', payload: {}, cron: '* * * * * *', maxCatchUp: 5 };
      await upsertSchedule(db, schedule);
    }
    // They begin with what an outage has left, and go on with the slots of each second.
    await db.batch([sql`UPDATE job_schedules SET next_at = next_at - 3600000`]);
    const [doomed, ...others] = [startScheduler(url), startScheduler(url), startScheduler(url)];
    onTestFinished(async () => {
      for (const process of [doomed!, ...others]) await process.kill();
    });
    for (const process of [doomed!, ...others]) await process.printed('started');

    await waitUntil(async () => (await countJobs(db)) > SCHEDULES * 5);
    await doomed!.kill();
    const before = await countJobs(db);
    await waitUntil(async () => (await countJobs(db)) >= before + SCHEDULES * 2);
    for (const process of others) {
      process.child.stdin.end();
      await process.output();
    }

    const [counts] = await db.query<
      Record<string, number>
    >(sql`SELECT count(*) AS fires, count(DISTINCT f.job_id) AS jobs,
      count(j.job_id) AS stored, (SELECT count(*) FROM jobs) AS total FROM job_schedule_fires f
      LEFT JOIN jobs j ON j.job_id = f.job_id`);
    expect(counts).toEqual({ fires: counts!.total, jobs: counts!.total, stored: counts!.total, total: counts!.total });
    // No slot between the first and the last that fired is missing.
    const gaps = await db.query(sql`SELECT schedule_id FROM job_schedule_fires GROUP BY schedule_id
      HAVING (max(slot) - min(slot)) / 1000 + 1 <> count(*)`);
    expect(gaps).toEqual([]);
  });
});
