import { beforeEach, describe, expect, test } from 'vitest';
import { readElsewhere } from '../../../test/database-processes/start.ts';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { interceptBatches } from '../../../test/harness/intercept.ts';
import { queueOn, type TestQueue } from '../../../test/harness/queue.ts';
import { databaseNow } from '../../db/clock.ts';
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { fireDueSchedules, listSchedules, type NewSchedule, removeSchedule, upsertSchedule } from './schedule.ts';

const HOUR_MS = 3_600_000;
const STEP_MS = 600_000;
/** The slots of the tests lie five minutes off the present, so that none comes while a test runs. */
const MINUTE = (new Date().getUTCMinutes() + 5) % 10;

let db: Database;
let url: string;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  ({ db, url } = created);
  queue = queueOn(db);
  return created.close;
});

const EVERY_10_MINUTES: NewSchedule = {
  scheduleId: 's',
  jobType: 'work',
  payload: { a: 1 },
  cron: `${MINUTE}-59/10 * * * *`,
};

/** Nobody has looked since the slot before this time; answers it. */
async function outage(scheduleId: string, agoMs: number): Promise<number> {
  const offset = MINUTE * 60_000;
  const slot = Math.floor(((await databaseNow(db)) - agoMs - offset) / STEP_MS) * STEP_MS + offset;
  return dueAt(scheduleId, slot);
}

async function dueNow(scheduleId: string): Promise<number> {
  return dueAt(scheduleId, await databaseNow(db));
}

async function dueAt(scheduleId: string, slot: number): Promise<number> {
  await queue.run(sql`UPDATE job_schedules SET next_at = ${slot} WHERE schedule_id = ${scheduleId}`);
  return slot;
}

function jobs() {
  return db.query<{ job_id: string; job_type: string; queue: string; payload: string; via: string }>(
    sql`SELECT job_id, job_type, queue, payload, via FROM jobs ORDER BY seq`,
  );
}

async function fires() {
  return db.query<{ slot: number; job_id: string }>(sql`SELECT slot, job_id FROM job_schedule_fires ORDER BY slot`);
}

describe('a schedule', () => {
  test('is stored with its next slot, and listed', async () => {
    await upsertSchedule(db, EVERY_10_MINUTES);

    const [schedule] = await listSchedules(db);
    expect(schedule).toMatchObject({ ...EVERY_10_MINUTES, queue: 'default', timeZone: 'UTC', maxCatchUp: 1 });
    expect(new Date(schedule!.nextAt).getUTCMinutes() % 10).toBe(MINUTE);
    expect(schedule!.nextAt).toBeGreaterThan(await databaseNow(db));
  });

  test('said again keeps its next slot; with other times it gets one of these', async () => {
    await upsertSchedule(db, EVERY_10_MINUTES);
    const slot = await outage('s', HOUR_MS);

    await upsertSchedule(db, { ...EVERY_10_MINUTES, payload: { a: 2 }, maxCatchUp: 3 });
    expect(await listSchedules(db)).toMatchObject([{ payload: { a: 2 }, maxCatchUp: 3, nextAt: slot }]);

    await upsertSchedule(db, { ...EVERY_10_MINUTES, timeZone: 'Asia/Kathmandu' });
    expect((await listSchedules(db))[0]!.nextAt).toBeGreaterThan(await databaseNow(db));
  });

  test('that is removed adds nothing more', async () => {
    await upsertSchedule(db, EVERY_10_MINUTES);
    await outage('s', HOUR_MS);
    await fireDueSchedules(db);

    await removeSchedule(db, 's');
    await removeSchedule(db, 's');

    expect(await listSchedules(db)).toEqual([]);
    expect(await fireDueSchedules(db)).toEqual({ fired: [], failed: [], untilNextMs: null });
    expect(await jobs()).toHaveLength(1);
  });

  test.each([
    [{ cron: 'x' }, 'it needs five fields'],
    [{ timeZone: 'nowhere' }, 'the time zone is unknown'],
    [{ maxCatchUp: 101 }, 'from 0 to 100'],
    [{ maxCatchUp: 0.5 }, 'from 0 to 100'],
  ])('that says %j is refused', async (change, reason) => {
    await expect(upsertSchedule(db, { ...EVERY_10_MINUTES, ...change })).rejects.toThrow(reason);
    expect(await listSchedules(db)).toEqual([]);
  });
});

describe('a slot', () => {
  test('adds its job once it has come, and not before', async () => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, queue: 'nightly' });
    expect(await fireDueSchedules(db)).toMatchObject({ fired: [] });

    const slot = await dueNow('s');
    const report = await fireDueSchedules(db);

    expect(report.fired).toEqual([{ scheduleId: 's', slot }]);
    expect(report.untilNextMs).toBeGreaterThan(0);
    const [job] = await jobs();
    expect(job).toMatchObject({ job_type: 'work', queue: 'nightly', payload: '{"a":1}', via: 'system' });
    expect(await fires()).toEqual([{ slot, job_id: job!.job_id }]);
    expect(await fireDueSchedules(db)).toMatchObject({ fired: [] });
  });

  test('22: fires once however many look at the same time', async () => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, maxCatchUp: 4 });
    await outage('s', HOUR_MS);

    const reports = await Promise.all(Array.from({ length: 8 }, () => fireDueSchedules(db)));

    expect(reports.flatMap(({ fired }) => fired)).toHaveLength(4);
    expect(reports.flatMap(({ failed }) => failed)).toEqual([]);
    expect(await jobs()).toHaveLength(4);
  });

  test('is not lost when the process dies before its batch is through', async () => {
    await upsertSchedule(db, EVERY_10_MINUTES);
    const slot = await dueNow('s');
    const dying = interceptBatches(db, () => Promise.reject(new Error('gone')));

    const { failed } = await fireDueSchedules(dying);
    expect(failed).toMatchObject([{ scheduleId: 's' }]);
    expect(await jobs()).toEqual([]);

    expect((await fireDueSchedules(db)).fired).toEqual([{ scheduleId: 's', slot }]);
  });

  test('that has fired does not fire again when the clock was set back', async () => {
    await upsertSchedule(db, EVERY_10_MINUTES);
    const slot = await outage('s', 0);
    await fireDueSchedules(db);
    await queue.run(sql`UPDATE job_schedules SET next_at = ${slot}`);

    expect(await fireDueSchedules(db)).toMatchObject({ fired: [], failed: [] });

    expect(await jobs()).toHaveLength(1);
    expect((await listSchedules(db))[0]!.nextAt).toBeGreaterThan(slot);
  });

  test('adds no job while one with its unique key lives, and names that one', async () => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, uniqueKey: 'k', maxCatchUp: 3 });
    await outage('s', HOUR_MS);

    await fireDueSchedules(db);

    const [job, ...others] = await jobs();
    expect(others).toEqual([]);
    expect((await fires()).map(({ job_id }) => job_id)).toEqual([job!.job_id, job!.job_id, job!.job_id]);
  });

  test('of one schedule that cannot be read keeps no other from firing', async () => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, scheduleId: 'broken' });
    await upsertSchedule(db, { ...EVERY_10_MINUTES, scheduleId: 'sound' });
    await queue.run(sql`UPDATE job_schedules SET cron = 'x' WHERE schedule_id = 'broken'`);
    await outage('broken', HOUR_MS);
    await outage('sound', HOUR_MS);

    const { fired, failed } = await fireDueSchedules(db);

    expect(fired).toMatchObject([{ scheduleId: 'sound' }]);
    expect(failed).toMatchObject([{ scheduleId: 'broken', error: { code: 'validation_failed' } }]);
  });
});

describe('22: after an outage of an hour', () => {
  test.each([0, 1, 3, 100])('no more than maxCatchUp = %i of the latest missed slots are made up for', async (max) => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, maxCatchUp: max });
    const first = await outage('s', HOUR_MS);
    const read = await databaseNow(db);

    const { fired } = await fireDueSchedules(db);

    const missed = Array.from({ length: 8 }, (_, i) => first + i * STEP_MS).filter((slot) => slot <= read);
    const expected = missed.slice(Math.max(0, missed.length - max));
    expect(fired.map(({ slot }) => slot)).toEqual(expected);
    expect(await jobs()).toHaveLength(expected.length);
    expect((await listSchedules(db))[0]!.nextAt).toBe(missed.at(-1)! + STEP_MS);
    expect(await fireDueSchedules(db)).toMatchObject({ fired: [] });
  });

  test('the catch-up of a schedule of every second stays in bounds, in one short transaction', async () => {
    await upsertSchedule(db, { ...EVERY_10_MINUTES, cron: '* * * * * *', maxCatchUp: 100 });
    await dueAt('s', Math.floor((await databaseNow(db)) / 1_000) * 1_000 - HOUR_MS);

    const { fired } = await fireDueSchedules(db);

    // The last minute is late rather than missed.
    expect(fired.length).toBeGreaterThanOrEqual(160);
    expect(fired.length).toBeLessThanOrEqual(161);
    expect(await readElsewhere(url, 'SELECT count(*) AS n FROM jobs')).toEqual([{ n: fired.length }]);
  });
});
