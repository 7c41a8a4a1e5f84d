import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/db/database.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { migrate } from '../../src/db/migrate.ts';

export interface TestDatabase {
  readonly db: Database;
  readonly path: string;
  /** Closes the database and removes its folder. */
  close(): Promise<void>;
}

const MIGRATIONS = join(import.meta.dirname, '../../migrations');

/** A database file of its own, made by the real migrations; they run once per process and are copied from then on. */
export async function createTestDatabase(): Promise<TestDatabase> {
  migrated ??= migratedBytes();
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-test-'));
  const path = join(directory, 'anyrag.db');
  await writeFile(path, await migrated, { mode: 0o600 });
  const db = await openFileDatabase({ path, durability: 'normal' });
  return {
    db,
    path,
    async close() {
      await db.close();
      await rm(directory, { recursive: true });
    },
  };
}

let migrated: Promise<Buffer> | null = null;

async function migratedBytes(): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-template-'));
  try {
    const path = join(directory, 'template.db');
    const db = await openFileDatabase({ path, durability: 'normal' });
    await migrate(db, MIGRATIONS);
    await db.close();
    return await readFile(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}
