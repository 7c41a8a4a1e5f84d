import { credentialStands, type Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { selectVisibleIds } from '../documents/index.ts';
import { AppError } from '../errors/app-error.ts';

/** Rights also end by time, which no change of the database tells of. */
const MAX_AGE_MS = 1_000;

/**
 * Looks whether an answer may still be given while it is being made: a model takes seconds, and what is revoked meanwhile must
 * neither be sent to it nor come back from it. For one caller and the documents that the answer draws on.
 */
export class RightsWatch {
  readonly #db: Database;
  readonly #subject: Subject;
  readonly #documentIds: readonly string[];
  #version: number | null = null;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database, subject: Subject, documentIds: readonly string[]) {
    this.#db = db;
    this.#subject = subject;
    this.#documentIds = [...new Set(documentIds)];
  }

  /**
   * Throws `AppError` rights_revoked where one of the documents is not visible any more, and invalid_credentials where the
   * caller's session or key has ended.
   */
  async check(): Promise<void> {
    const checkedMs = performance.now();
    // Before the looks, so that a change between the two is seen the next time.
    const version = await this.#db.dataVersion();
    const visible = await selectVisibleIds(this.#db, this.#subject, this.#documentIds);
    if (!(await credentialStands({ db: this.#db }, this.#subject))) throw new AppError('invalid_credentials');
    if (visible.size < this.#documentIds.length) throw new AppError('rights_revoked');
    this.#version = version;
    this.#checkedMs = checkedMs;
  }

  /**
   * The same for what is asked often: it looks again when the database has changed or a second has passed. Where the
   * database cannot say whether it has changed, a second is how long a piece of a stream may lag behind.
   */
  async checkIfChanged(): Promise<void> {
    const isFresh = performance.now() - this.#checkedMs < MAX_AGE_MS;
    if (isFresh && (await this.#db.dataVersion()) === this.#version) return;
    await this.check();
  }
}
