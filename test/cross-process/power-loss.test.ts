import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { createTestDatabase } from '../harness/database.ts';
import { queueOn } from '../harness/queue.ts';

// What a disk holds after the power has failed: the database file, and of the write-ahead log what was flushed for certain,
// and of the rest a part of any length, ended by whatever was there before. `synchronous=FULL` flushes the log with every
// commit; with NORMAL nothing of it is certain until it is folded into the file.

const CUTS = Number(process.env.QUEUE_POWER_CUTS ?? 40);
const TIME_LIMIT_MS = 60_000 + CUTS * 2_000;
/** Then the log is folded into the file; by itself SQLite would do so at 1,000 pages, and what is folded in was flushed. */
const CUTS_OF_ONE_LOG = 10;
const LOG_PAGES = 1_000;
/** In front of each page of a log (https://www.sqlite.org/fileformat2.html#walformat). */
const FRAME_HEADER_BYTES = 24;

interface Snapshot {
  path: string;
  /** Jobs whose commit had been reported when the copy was made. */
  reported: number;
  logBytes: number;
}

/** A queue at work, and copies of its files after random commits. */
async function snapshots(durability: 'normal' | 'full'): Promise<Snapshot[]> {
  const template = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-power-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'jobs.db');
  await template.db.copyTo(path);
  await template.close();
  const taken: Snapshot[] = [];
  for (let reported = 0, cut = 0; cut < CUTS; ) {
    const db = await openFileDatabase({ path, durability });
    const queue = queueOn(db);
    await queue.register(`worker ${cut}`);
    for (const end = Math.min(CUTS, cut + CUTS_OF_ONE_LOG); cut < end; cut++) {
      const jobs = 1 + Math.floor(Math.random() * 8);
      for (let i = 0; i < jobs; i++) await queue.enqueue({ payload: { n: ++reported } });
      const claimed = await queue.claim(`worker ${cut - (cut % CUTS_OF_ONE_LOG)}`, 1 + Math.floor(Math.random() * 6));
      for (const job of claimed) await queue.settle(job, { kind: 'completed', result: {} });
      const snapshot = await copyFiles(path, join(directory, `cut-${cut}.db`));
      expect(snapshot.logBytes).toBeLessThan(LOG_PAGES * (await pageBytes(snapshot)));
      taken.push({ ...snapshot, reported });
    }
    await db.close();
  }
  return taken;
}

async function copyFiles(from: string, to: string): Promise<{ path: string; logBytes: number }> {
  await copyFile(from, to);
  await copyFile(`${from}-wal`, `${to}-wal`);
  return { path: to, logBytes: (await stat(`${to}-wal`)).size };
}

/** Opens the files as the next start would, and answers how many of the jobs are there, whatever has become of them. */
async function recover({ path }: Snapshot): Promise<number> {
  const db = await openFileDatabase({ path, durability: 'full' });
  await db.close();
  const connection = new DatabaseSync(path);
  try {
    expect(connection.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    expect(connection.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
    const numbers = connection.prepare(`SELECT payload ->> 'n' AS n FROM jobs ORDER BY seq`).all();
    // What is lost is the end and nothing in between.
    expect(numbers.map(({ n }) => n)).toEqual(numbers.map((_, index) => index + 1));
    return numbers.length;
  } finally {
    connection.close();
  }
}

async function pageBytes({ path }: Pick<Snapshot, 'path'>): Promise<number> {
  const file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 16);
  await file.close();
  return buffer.readUInt16BE();
}

describe('10: a loss of power', () => {
  test(
    'with synchronous=NORMAL opens clean wherever the log ends, and loses its end at most',
    async () => {
      let lost = 0;
      for (const snapshot of await snapshots('normal')) {
        await truncate(`${snapshot.path}-wal`, Math.floor(Math.random() * snapshot.logBytes));
        const found = await recover(snapshot);
        expect(found).toBeLessThanOrEqual(snapshot.reported);
        lost += snapshot.reported - found;
      }
      // Otherwise nothing was cut.
      expect(lost).toBeGreaterThan(0);
    },
    TIME_LIMIT_MS,
  );

  test(
    'with synchronous=FULL loses no commit that was reported, whatever follows what was flushed',
    async () => {
      for (const snapshot of await snapshots('full')) {
        const log = await open(`${snapshot.path}-wal`, 'a');
        // A frame that was being written: its beginning, or rubbish of its length.
        const frame = Buffer.alloc(FRAME_HEADER_BYTES + (await pageBytes(snapshot)), Math.floor(Math.random() * 256));
        await log.write(frame, 0, 1 + Math.floor(Math.random() * (frame.length - 1)));
        await log.close();

        expect(await recover(snapshot)).toBe(snapshot.reported);
      }
    },
    TIME_LIMIT_MS,
  );
});
