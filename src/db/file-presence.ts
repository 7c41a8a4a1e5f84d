import { statSync } from 'node:fs';
import { AppError } from '../errors/app-error.ts';

/** Reads are answered from a file that is gone for this long at most; a look costs 5 µs, as much as a third of a read. */
const LOOK_EVERY_MS = 100;

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
