import { chmod, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { systemSubject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import { syncToDisk } from '../../base/durable-writes.ts';
import { newId } from '../../base/ids.ts';
import type { Database } from '../../db/database.ts';
import { schemaState } from '../../db/migrate.ts';
import { openReadOnlyDatabase } from '../../db/read-only-database.ts';
import { AppError, hasCode } from '../../errors/app-error.ts';
import type { Storage } from '../../storage/index.ts';
import { type Sum, sumOf, writeDurably } from './durable-files.ts';
import { DATABASE_FILE, FILES_FOLDER, type Manifest, writeContents } from './manifest.ts';
import { selectIntegrityFaults, selectStoredFiles } from './queries.ts';

export interface BackUpDependencies {
  /** In use by others or not. */
  db: Database;
  storage: Storage;
  migrationsDirectory: string;
  anyragVersion: string;
  /** Where the secret is that the backup leaves out. */
  secret: Manifest['secret'];
}

export interface BackUpOptions {
  /** The folder that collects backups; made where it is missing. */
  directory: string;
  /** How many backups stay there, this one included; null: all. */
  keep: number | null;
}

export interface BackUpReport {
  /** The folder of this backup. */
  path: string;
  manifest: Manifest;
  /** Older backups that were removed. */
  removed: string[];
}

/** Sorts by time; a colon is not allowed in names on Windows. */
const BACKUP_NAME = /^anyrag-\d{4}-\d{2}-\d{2}T\d{6}\.\d{3}Z$/;
const PARTIAL_NAME = /^\.anyrag-.*\.partial$/;
/** What is still incomplete after this long was cut off by a crash. */
const ABANDONED_MS = 24 * 3_600_000;
const FILES_AT_ONCE = 8;
/** Each one is short: only what came and went in the moment before is looked at again. */
const MAX_ROUNDS = 20;

/**
 * Makes a backup in a new folder of `directory`, while everything else goes on: the database as it was at one instant, and
 * every stored original that it names. The folder gets its name when it is whole and on the disk. Throws `AppError`
 * database_unavailable for a database that is damaged, cannot be copied or is on a server, database_busy where documents are
 * deleted too fast.
 */
export async function backUp(deps: BackUpDependencies, options: BackUpOptions): Promise<BackUpReport> {
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await removeAbandoned(directory);
  const createdAt = new Date();
  const name = `anyrag-${createdAt.toISOString().replaceAll(':', '')}`;
  const partial = join(directory, `.${name}.${newId()}.partial`);
  const path = join(directory, name);
  try {
    const manifest = await fill(deps, partial, createdAt);
    await rename(partial, path);
    await syncToDisk(directory);
    await deps.db.batch([recordAudit(systemSubject(), 'backup.created', { type: 'system', id: 'database' })]);
    return { path, manifest, removed: await removeOlder(directory, options.keep) };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function fill(deps: BackUpDependencies, folder: string, createdAt: Date): Promise<Manifest> {
  await mkdir(join(folder, FILES_FOLDER), { recursive: true, mode: 0o700 });
  const { files, missing, damaged } = await copyConsistently(deps, folder);
  const database = join(folder, DATABASE_FILE);
  await chmod(database, 0o600);
  const schemaVersion = await examineCopy(database, deps.migrationsDirectory);
  const manifest = await writeContents(
    folder,
    {
      created_at: createdAt.toISOString(),
      anyrag_version: deps.anyragVersion,
      schema_version: schemaVersion,
      secret: deps.secret,
      missing_files: missing,
      damaged_files: damaged,
    },
    await sumOf(database),
    files,
  );
  await syncFolders(folder);
  return manifest;
}

interface Copied {
  files: Map<string, Sum>;
  missing: string[];
  damaged: string[];
}

/**
 * A copy of the database, and all files that it names. A file never changes, but goes with its document, and so could be gone
 * before it is copied: most are copied before the database is, and where one is missing that the database in use does not
 * name any more either, the database is copied once more. One that it does name is lost, which no further round would mend.
 */
async function copyConsistently({ db, storage }: BackUpDependencies, folder: string): Promise<Copied> {
  const database = join(folder, DATABASE_FILE);
  const copied = new Map<string, Sum>();
  await copyFiles(storage, folder, [...(await selectStoredFiles(db)).keys()], copied);
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    await rm(database, { force: true });
    await db.copyTo(database);
    const named = await storedFilesIn(database);
    const missing = await copyFiles(storage, folder, [...named.keys()], copied);
    const inUse = missing.length === 0 ? null : await selectStoredFiles(db);
    if (inUse !== null && missing.some((key) => !inUse.has(key))) continue;
    await removeUnnamed(folder, copied, named);
    return { files: copied, missing, damaged: damagedOf(copied, named) };
  }
  throw new AppError(
    'database_busy',
    'Documents are deleted faster than they can be backed up; make the backup at a quieter time.',
  );
}

/** Copies what `copied` does not have yet, and answers the keys of which there is no file. */
async function copyFiles(
  storage: Storage,
  folder: string,
  keys: readonly string[],
  copied: Map<string, Sum>,
): Promise<string[]> {
  const missing: string[] = [];
  const left = keys.filter((key) => !copied.has(key));
  for (let start = 0; start < left.length; start += FILES_AT_ONCE) {
    const some = left.slice(start, start + FILES_AT_ONCE);
    const sums = await Promise.all(some.map((key) => copyFile(storage, folder, key)));
    for (const [index, sum] of sums.entries()) {
      if (sum === null) missing.push(some[index]!);
      else copied.set(some[index]!, sum);
    }
  }
  return missing;
}

async function copyFile(storage: Storage, folder: string, key: string): Promise<Sum | null> {
  const path = join(folder, FILES_FOLDER, key);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    return await writeDurably(await storage.open(key), path);
  } catch (error) {
    if (hasCode(error, 'not_found')) return null;
    throw error;
  }
}

async function storedFilesIn(database: string): Promise<Map<string, string | null>> {
  const copy = openReadOnlyDatabase(database);
  try {
    return await selectStoredFiles(copy);
  } finally {
    await copy.close();
  }
}

/** What was deleted before the database was copied is not kept. */
async function removeUnnamed(folder: string, copied: Map<string, Sum>, named: ReadonlyMap<string, unknown>) {
  for (const key of [...copied.keys()].filter((copiedKey) => !named.has(copiedKey))) {
    await rm(join(folder, FILES_FOLDER, key));
    copied.delete(key);
  }
}

function damagedOf(copied: ReadonlyMap<string, Sum>, named: ReadonlyMap<string, string | null>): string[] {
  return [...copied].filter(([key, { sha256 }]) => (named.get(key) ?? sha256) !== sha256).map(([key]) => key);
}

/** Better refused now than when it is needed. Answers the version of its schema. */
async function examineCopy(database: string, migrationsDirectory: string): Promise<number> {
  const copy = openReadOnlyDatabase(database);
  try {
    const faults = await selectIntegrityFaults(copy);
    if (faults.length > 0) {
      throw new AppError('database_unavailable', `The database is damaged, and so is its copy: ${faults[0]}`);
    }
    return (await schemaState(copy, migrationsDirectory)).current;
  } finally {
    await copy.close();
  }
}

async function syncFolders(folder: string): Promise<void> {
  await syncToDisk(join(folder, DATABASE_FILE));
  const files = join(folder, FILES_FOLDER);
  for (const name of await readdir(files)) await syncToDisk(join(files, name));
  await syncToDisk(files);
  await syncToDisk(folder);
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((entry) => PARTIAL_NAME.test(entry))) {
    const found = await stat(join(directory, name)).catch(endedMeanwhile);
    if (found === null || Date.now() - found.mtimeMs < ABANDONED_MS) continue;
    await rm(join(directory, name), { recursive: true, force: true });
  }
}

function endedMeanwhile(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

async function removeOlder(directory: string, keep: number | null): Promise<string[]> {
  if (keep === null) return [];
  const backups = (await readdir(directory)).filter((name) => BACKUP_NAME.test(name)).sort();
  const older = backups.slice(0, -keep).map((name) => join(directory, name));
  for (const path of older) await removeBackup(path);
  return older;
}

/** Renamed first: a half removed one must not look like a backup. */
async function removeBackup(path: string): Promise<void> {
  const leaving = join(dirname(path), `.anyrag-${newId()}.partial`);
  await rename(path, leaving);
  await rm(leaving, { recursive: true, force: true });
}
