import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors/app-error.ts';

/** Reads are answered from a file that is gone for this long at most; a look costs 5 µs, as much as a third of a read. */
const LOOK_EVERY_MS = 100;

/** Others may be opening or closing the same files between two looks, but not at each of so many. */
const LOOKS = 3;
const LOOK_AGAIN_MS = 2;

/**
 * Throws `AppError` database_unavailable for a database of which a file is missing: opening it would make an empty one and
 * lose what was committed. SQLite makes the log before the shared memory and removes it after, so neither the log without
 * its database nor the shared memory without its log is a state that it leaves behind.
 */
export async function assertWhole(path: string): Promise<void> {
  for (let looks = 1; ; looks++) {
    const complaint = missingFile(path);
    if (complaint === null) return;
    if (looks === LOOKS) throw new AppError('database_unavailable', complaint);
    await delay(LOOK_AGAIN_MS);
  }
}

function missingFile(path: string): string | null {
  const [log, memory] = [`${path}-wal`, `${path}-shm`];
  if (!existsSync(path))
    return existsSync(log) ? 'The database file is missing, though its write-ahead log is there.' : null;
  const isLogGone = !existsSync(log) && existsSync(memory) && !existsSync(log);
  return isLogGone
    ? 'The write-ahead log of the database is missing. Restore it, or a backup; to go on without it, delete the -shm file.'
    : null;
}

/**
 * Whether an open database is still what its path names. SQLite goes on with a file that was deleted or replaced, and so
 * does a write-ahead log: commits succeed, nobody else sees them, and they are gone with the process.
 */
export class FilePresence {
  readonly #files: WatchedFile[];
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** Of a database that is open. */
  constructor(path: string) {
    this.#files = [
      new WatchedFile(path, 'The database file was deleted or replaced while it was in use.'),
      new WatchedFile(
        `${path}-wal`,
        'The write-ahead log of the database was deleted or replaced while it was in use.',
      ),
    ];
    this.assert();
  }

  /** Throws `AppError` database_unavailable. To be called before a commit is reported. */
  assert(): void {
    for (const file of this.#files) file.assertPresent();
    this.#lookedAt = performance.now();
  }

  /** The same, but looks now and then only. */
  assertLately(): void {
    if (performance.now() - this.#lookedAt >= LOOK_EVERY_MS) this.assert();
  }
}

class WatchedFile {
  readonly #path: string;
  readonly #complaint: string;
  /** Null until the file is there: the log is made with the first transaction, and removed by whoever closes last. */
  #identity: string | null = null;

  constructor(path: string, complaint: string) {
    this.#path = path;
    this.#complaint = complaint;
  }

  assertPresent(): void {
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    const identity = stats === undefined ? null : `${stats.dev}:${stats.ino}`;
    this.#identity ??= identity;
    if (identity !== this.#identity) throw new AppError('database_unavailable', this.#complaint);
  }
}
