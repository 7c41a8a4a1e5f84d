import { type FSWatcher, watch } from 'node:fs';

/**
 * Tells that another process on this host has committed: it appends to the write-ahead log of the database, and the kernel
 * reports that. Only where the kernel watches a path (inotify): elsewhere the file would be opened, and closing it would drop
 * the locks that this process's connections hold on it.
 */
export class LogWatch {
  readonly #path: string | null;
  readonly #onChange: () => void;
  #watcher: FSWatcher | null = null;

  /** `databasePath` null: a server, of which nothing can be seen. */
  constructor(databasePath: string | null, onChange: () => void) {
    this.#onChange = onChange;
    this.#path = databasePath === null || process.platform !== 'linux' ? null : `${databasePath}-wal`;
  }

  /**
   * Has the first change after this call reported, and no other: many commits cost what one does. False where changes cannot
   * be watched.
   */
  arm(): boolean {
    if (this.#path === null) return false;
    if (this.#watcher !== null) return true;
    try {
      this.#watcher = watch(this.#path, { persistent: false });
    } catch {
      // The system's watches are used up, or there is no log yet: the caller looks by the clock meanwhile.
      return false;
    }
    const report = () => {
      this.disarm();
      this.#onChange();
    };
    this.#watcher.once('change', report).once('error', report);
    return true;
  }

  disarm(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}
