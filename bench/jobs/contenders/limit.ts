import { DatabaseSync } from 'node:sqlite';
import { type Contender, type Jobs, payloadOf } from '../contender.ts';

export const BATCH = 32;

/** No queue, but what SQLite gives one at most: three columns, two statements and one commit for a batch. */
export const limit: Contender = {
  name: 'limit',
  settings: `node:sqlite ${process.versions.sqlite ?? ''}, WAL, synchronous=NORMAL, 8 KiB pages, UPDATE ... RETURNING by ${BATCH}`,
  worker: new URL('./limit-process.ts', import.meta.url),
  create: createJobs,
};

export function openLimit(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
    CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, payload TEXT NOT NULL, status INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (id) WHERE status = 0`);
  return db;
}

async function createJobs(path: string): Promise<Jobs> {
  const db = openLimit(path);
  const insert = db.prepare('INSERT INTO jobs (payload) VALUES (?)');
  // From the end, where the jobs lie that are done last.
  const open = db.prepare(`SELECT EXISTS (SELECT 1 FROM jobs WHERE id > ? AND status < 2 ORDER BY id DESC) AS found`);
  let begin = 0;
  return {
    async addFinished(count) {
      db.prepare(`INSERT INTO jobs (payload, status)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
        SELECT ?, 2 FROM numbers`).run(count, JSON.stringify(payloadOf(1)));
    },
    async enqueue(from, count) {
      begin = Number(db.prepare('SELECT coalesce(max(id), 0) AS id FROM jobs').get()!.id);
      db.exec('BEGIN');
      for (let n = from; n < from + count; n++) insert.run(JSON.stringify(payloadOf(n)));
      db.exec('COMMIT');
    },
    isAnyOpen: () => open.get(begin)!.found === 1,
    countFinished: () => Number(db.prepare('SELECT count(*) AS n FROM jobs WHERE status = 2').get()!.n),
    async close() {
      db.close();
    },
  };
}
