import { beforeEach, describe, expect, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { systemSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { checkBackups, checkClock } from './time-checks.ts';

const DAY_MS = 86_400_000;

let db: Database;

beforeEach(async () => {
  const opened = await createTestDatabase();
  db = opened.db;
  return opened.close;
});

describe('the clock', () => {
  test('is well where nothing is stored yet', async () => {
    expect(await checkClock(db)).toMatchObject({ status: 'ok' });
  });

  test('has gone back when something was stored later than now', async () => {
    await db.batch([
      sql`INSERT INTO jobs (job_id, job_type, payload, run_at, created_at, updated_at)
        VALUES ('j', 'other', '{}', ${now}, ${now} + 3600000, ${now})`,
    ]);
    expect(await checkClock(db)).toMatchObject({ status: 'problem', detail: expect.stringContaining('gone back') });
  });
});

/** Backups are of files. */
describe.skipIf(process.env.TEST_DRIVER === 'remote')('backups', () => {
  async function addUser(ageDays: number): Promise<void> {
    const { userId } = await createUser(db);
    await db.batch([sql`UPDATE users SET created_at = ${now} - ${ageDays * DAY_MS} WHERE user_id = ${userId}`]);
  }

  const noteBackup = () => recordAudit(systemSubject(), 'backup.created', { type: 'system', id: 'database' });

  test('are not missed in a new installation', async () => {
    expect(await checkBackups(db, 7)).toMatchObject({ status: 'ok' });
    await addUser(6);
    expect(await checkBackups(db, 7)).toMatchObject({ status: 'ok' });
  });

  test('are missed where none was ever made', async () => {
    await addUser(9);
    expect(await checkBackups(db, 7)).toMatchObject({ status: 'problem', detail: expect.stringContaining('9 days') });
  });

  test('are well when the last one is recent', async () => {
    await addUser(100);
    await db.batch([noteBackup()]);
    expect(await checkBackups(db, 7)).toMatchObject({ status: 'ok' });
  });

  test('are missed when the last one is too old, unless they are made otherwise', async () => {
    await addUser(100);
    await db.batch([
      sql`INSERT INTO audit_log (at, via, action, target_type, target_id)
        VALUES (${now} - ${30 * DAY_MS}, 'system', 'backup.created', 'system', 'database')`,
    ]);
    expect(await checkBackups(db, 7)).toMatchObject({
      status: 'problem',
      detail: expect.stringContaining('30 days ago'),
    });
    expect(await checkBackups(db, null)).toMatchObject({ status: 'skipped' });
  });
});
