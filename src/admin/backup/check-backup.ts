import { join } from 'node:path';
import type { Database } from '../../db/database.ts';
import { schemaState } from '../../db/migrate.ts';
import { openReadOnlyDatabase } from '../../db/read-only-database.ts';
import { type AppError, hasCode } from '../../errors/app-error.ts';
import { type Sum, sumOf } from './durable-files.ts';
import { type Contents, DATABASE_FILE, FILES_FOLDER, readContents, unusable } from './manifest.ts';
import { selectIntegrityFaults, selectStoredFiles } from './queries.ts';

/**
 * Reads a whole backup and answers what it holds. Throws `AppError` backup_unusable for one that is not as it was made, and
 * schema_mismatch for one of a newer version. Changes nothing.
 *
 * @param examine Further checks of the database in it, opened for reading only.
 */
export async function checkBackup(
  folder: string,
  migrationsDirectory: string,
  examine: (db: Database) => Promise<void>,
): Promise<Contents> {
  const contents = await readContents(folder);
  const database = join(folder, DATABASE_FILE);
  assertSame(DATABASE_FILE, await sumIn(folder, DATABASE_FILE), contents.databaseSha256);
  for (const [key, sha256] of contents.files) {
    const name = `${FILES_FOLDER}/${key}`;
    assertSame(name, await sumIn(folder, name), sha256);
  }
  const db = openReadOnlyDatabase(database);
  try {
    await checkDatabase(db, contents, migrationsDirectory);
    await examine(db);
    return contents;
  } finally {
    await db.close();
  }
}

/** The check sum was right, so this finds what was wrong when the backup was made, or a program that is too old. */
async function checkDatabase(db: Database, contents: Contents, migrationsDirectory: string): Promise<void> {
  const faults = await faultsOf(db);
  if (faults.length > 0) throw unusable(`The database in the backup is damaged: ${faults[0]}`);
  const { current } = await schemaState(db, migrationsDirectory);
  if (current === 0) throw unusable('The database in the backup is not one of anyrag.');
  const known = new Set([...contents.files.keys(), ...contents.manifest.missing_files]);
  const lacking = [...(await selectStoredFiles(db)).keys()].filter((key) => !known.has(key));
  if (lacking.length > 0) throw unusable(`The backup lacks ${lacking.length} files that its database names.`);
}

async function faultsOf(db: Database): Promise<string[]> {
  try {
    return await selectIntegrityFaults(db);
  } catch (error) {
    if (!hasCode(error, 'database_unavailable')) throw error;
    throw unusable(`The database in the backup cannot be read: ${(error as AppError).detail}`, error);
  }
}

async function sumIn(folder: string, name: string): Promise<Sum> {
  try {
    return await sumOf(join(folder, name));
  } catch (error) {
    throw unusable(`${name} is missing from the backup or cannot be read.`, error);
  }
}

function assertSame(name: string, actual: Sum, sha256: string): void {
  if (actual.sha256 !== sha256) throw unusable(`${name} is damaged: its checksum is not that of the backup.`);
}
