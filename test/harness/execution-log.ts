import { expect } from 'vitest';

/**
 * Makes the database write down every change of a job's state in `audit`, which nothing can change afterwards: what a worker
 * believes of itself does not count. `lease_left` is what the lease of the job's worker had left, null where it was gone.
 */
export const EXECUTION_LOG = [
  `CREATE TABLE audit (n INTEGER PRIMARY KEY, event TEXT, job_id TEXT, fence INTEGER, worker_id TEXT,
    lease_left INTEGER, code TEXT)`,
  `CREATE TRIGGER audit_jobs AFTER UPDATE OF status ON jobs WHEN new.status <> old.status BEGIN
    INSERT INTO audit (event, job_id, fence, worker_id, lease_left, code)
    VALUES (CASE WHEN new.crashes > old.crashes THEN 'crashed' ELSE new.status END, new.job_id, new.fence,
      coalesce(new.worker_id, old.worker_id),
      (SELECT lease_until FROM workers WHERE worker_id = coalesce(new.worker_id, old.worker_id))
        - CAST(unixepoch('subsec') * 1000 AS INTEGER),
      new.error ->> 'code');
  END`,
  `CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`,
  `CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`,
];

type Seen = (text: string) => Promise<Record<string, unknown>[]>;

interface LogEntry {
  event: string;
  job_id: string;
  fence: number;
  worker_id: string | null;
  lease_left: number | null;
  code: string | null;
}

/** What is known of one job while its entries are read in order. */
interface Life {
  state: string;
  fence: number;
  holder: string | null;
}

const FINAL = ['completed', 'failed', 'cancelled'];

/**
 * The file is sound; and as a foreign process reads the log, each claim was made under a valid lease of a job that nobody
 * held, with a fence of its own; each end was its holder's, or that of a job nobody held; a worker was taken for dead only
 * when its lease had run out; nothing ended twice; and every row says what the log says last. `retried`: jobs may have been
 * made to run again on somebody's wish.
 */
export async function auditExecutions(seen: Seen, options: { retried?: boolean } = {}): Promise<void> {
  expect(await seen('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  expect(await seen('PRAGMA foreign_key_check')).toEqual([]);
  const log = (await seen('SELECT * FROM audit ORDER BY n')) as unknown as LogEntry[];
  const lives = new Map<string, Life>();
  const complaints: string[] = [];
  for (const entry of log) {
    const life = lives.get(entry.job_id) ?? { state: 'pending', fence: 0, holder: null };
    const complaint = complaintAbout(entry, life, options.retried === true);
    if (complaint !== null) complaints.push(`${complaint}: ${JSON.stringify(entry)} after ${JSON.stringify(life)}`);
    lives.set(entry.job_id, after(entry));
  }
  const rows = (await seen('SELECT job_id, status, fence FROM jobs')) as {
    job_id: string;
    status: string;
    fence: number;
  }[];
  for (const { job_id, status, fence } of rows) {
    const life = lives.get(job_id) ?? { state: 'pending', fence: 0 };
    // What has crashed waits, or has failed; the log says which only by what comes next.
    const agrees = life.state === status || (life.state === 'crashed' && /pending|failed|cancelled/.test(status));
    if (!agrees || life.fence !== fence)
      complaints.push(`${job_id} is ${status} at ${fence}, not ${JSON.stringify(life)}`);
  }
  expect(complaints).toEqual([]);
}

function complaintAbout(entry: LogEntry, life: Life, mayBeRetried: boolean): string | null {
  const isHeld = life.state === 'processing';
  if (FINAL.includes(life.state)) {
    return entry.event === 'pending' && life.state !== 'completed' && mayBeRetried ? null : 'changed after its end';
  }
  if (entry.event === 'processing') {
    if (isHeld) return 'claimed while it was held';
    if (entry.fence !== life.fence + 1) return 'claimed without a fence of its own';
    return (entry.lease_left ?? -1) >= 0 ? null : 'claimed without a valid lease';
  }
  if (entry.fence !== life.fence) return 'the fence changed without a claim';
  if (entry.event === 'cancelled' && !isHeld) return null;
  if (!isHeld) return 'ended by nobody';
  if (entry.worker_id !== life.holder) return 'ended by another one than its holder';
  const isRescue = entry.event === 'crashed' && entry.code === 'worker_lost';
  return isRescue && (entry.lease_left ?? -1) >= 0 ? 'taken from a worker with a valid lease' : null;
}

function after({ event, fence, worker_id }: LogEntry): Life {
  return { state: event, fence, holder: event === 'processing' ? worker_id : null };
}
