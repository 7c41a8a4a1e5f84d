import type { Database } from '../db/database.ts';
import { selectFirstContentAt, selectLastBackupAt } from './backup/queries.ts';
import { ok, problem, skipped, type Verdict } from './finding.ts';
import { selectClock } from './queries.ts';

/** More than a clock that is set by NTP is ever off; less than the life of an access token. */
const MAX_SKEW_MS = 60_000;
const DAY_MS = 86_400_000;

/** Whether the database's clock is this machine's, and goes on from where it has been. */
export async function checkClock(db: Database): Promise<Verdict> {
  const before = Date.now();
  const { now, newest } = await selectClock(db);
  const skew = now < before ? before - now : Math.max(0, now - Date.now());
  const repair = 'Set the clock by NTP: expiry, leases, schedules and sign-ins depend on it.';
  if (skew > MAX_SKEW_MS)
    return problem(`The clocks of the database and of this machine differ by ${skew} ms.`, repair);
  if (newest - now > MAX_SKEW_MS) {
    return problem(`The clock stands ${newest - now} ms before what was stored last: it has gone back.`, repair);
  }
  return ok('The clock goes on from what was stored last.');
}

/** Counted from the first account or document, so that a new installation is well. `maxAgeDays` null: backups are made otherwise. */
export async function checkBackups(db: Database, maxAgeDays: number | null): Promise<Verdict> {
  if (db.path === null) return skipped('The database is behind a server, which makes its own backups.');
  if (maxAgeDays === null) return skipped('BACKUP_MAX_AGE_DAYS is not set.');
  const lastAt = await selectLastBackupAt(db);
  const since = lastAt ?? (await selectFirstContentAt(db)) ?? Date.now();
  const days = Math.floor((Date.now() - since) / DAY_MS);
  if (days <= maxAgeDays)
    return ok(lastAt === null ? 'There is nothing old enough to miss.' : `The last one is ${days} days old.`);
  const repair =
    'Run "anyrag backup DIRECTORY" every night. Where backups are made otherwise, set BACKUP_MAX_AGE_DAYS to 0.';
  if (lastAt === null)
    return problem(`"anyrag backup" was never run, and there is content since ${days} days.`, repair);
  return problem(`The last "anyrag backup" was ${days} days ago.`, repair);
}
