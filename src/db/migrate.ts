import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, hasCode } from '../errors/app-error.ts';
import { type Database, requireThat } from './database.ts';
import { backUp, removeOldBackups } from './migration-backup.ts';
import { type Migration, readMigrations } from './migration-files.ts';
import { now, type Statement, sql } from './sql.ts';

export interface SchemaState {
  /** Version of the last migration that the database has; 0 for a new one. */
  readonly current: number;
  /** Version of the last migration that the code has. */
  readonly latest: number;
  readonly pending: readonly Migration[];
}

export interface MigrateResult {
  /** Versions applied by this call. */
  readonly applied: readonly number[];
  /** The copy made before, where there was something to lose. */
  readonly backupPath: string | null;
}

/**
 * How the database stands to the migrations in `directory`. Throws `AppError` schema_mismatch when it is newer than the
 * code, or when a migration was changed after it had been applied.
 */
export async function schemaState(database: Database, directory: string): Promise<SchemaState> {
  const migrations = await readMigrations(directory);
  const applied = await readApplied(database);
  applied.forEach((row, index) => {
    assertSame(row, migrations[index]);
  });
  return { current: applied.length, latest: migrations.length, pending: migrations.slice(applied.length) };
}

/** For processes that must not migrate: throws `AppError` schema_mismatch unless every migration has been applied. */
export async function assertSchemaCurrent(database: Database, directory: string): Promise<void> {
  const { current, latest } = await schemaState(database, directory);
  if (current === latest) return;
  throw new AppError(
    'schema_mismatch',
    `The database has schema ${current} and this version needs ${latest}: run \`anyrag migrate\`.`,
  );
}

/**
 * Applies what is missing, in order, each migration in a batch of its own. Several processes may do this at once: one of
 * them applies a migration, the others see it applied. A file that has content is first copied to `backupDir` (default:
 * beside it). Idempotent. Throws as `schemaState` does, and whatever a failing migration throws; that one has then changed
 * nothing.
 */
export async function migrate(
  database: Database,
  directory: string,
  options: { backupDir?: string } = {},
): Promise<MigrateResult> {
  const { current, pending } = await schemaState(database, directory);
  if (pending.length === 0) return { applied: [], backupPath: null };
  const { path } = database;
  if (current === 0 || path === null)
    return { applied: await applyAll(database, directory, pending), backupPath: null };

  const backupDir = options.backupDir ?? dirname(path);
  const backupPath = await backUp(database, path, backupDir, current);
  const applied = await applyAll(database, directory, pending);
  if (applied.length === 0) {
    // Others were faster, and the copy may show what they made; they have one of the state before.
    await rm(backupPath);
    return { applied, backupPath: null };
  }
  await removeOldBackups(path, backupDir);
  return { applied, backupPath };
}

async function applyAll(database: Database, directory: string, pending: readonly Migration[]): Promise<number[]> {
  const applied: number[] = [];
  for (const migration of pending) {
    if (await apply(database, migration)) applied.push(migration.version);
  }
  // Whoever was faster may have been of another version.
  await schemaState(database, directory);
  return applied;
}

interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly sha256: string;
}

async function readApplied(database: Database): Promise<AppliedMigration[]> {
  const tables = await database.query(
    sql`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`,
  );
  if (tables.length === 0) return [];
  return database.query(sql<AppliedMigration>`SELECT version, name, sha256 FROM schema_migrations ORDER BY version`);
}

function assertSame(applied: AppliedMigration, known: Migration | undefined): void {
  const file = `${String(applied.version).padStart(4, '0')}_${applied.name}.sql`;
  if (known === undefined) {
    throw new AppError(
      'schema_mismatch',
      `The database is newer than this version (it has ${file}): install the newer version again, or restore a backup.`,
    );
  }
  if (applied.version === known.version && applied.sha256 === known.sha256) return;
  throw new AppError(
    'schema_mismatch',
    `Migration ${file} was changed after this database had applied it: install the version that made the database.`,
  );
}

/** Whether this call applied it; false where another process was faster. */
async function apply(database: Database, migration: Migration): Promise<boolean> {
  try {
    await database.batch([
      createLedger,
      requireThat(isNext(migration), 'conflict'),
      ...migration.statements.map((text) => ({ text, values: [] })),
      record(migration),
    ]);
    return true;
  } catch (error) {
    if (hasCode(error, 'conflict')) return false;
    throw error;
  }
}

const createLedger: Statement = sql`
  CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL
  ) STRICT`;

function isNext({ version }: Migration) {
  return sql`(SELECT coalesce(max(version), 0) FROM schema_migrations) = ${version - 1}`;
}

function record({ version, name, sha256 }: Migration): Statement {
  return sql`
    INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (${version}, ${name}, ${sha256}, ${now})`;
}
