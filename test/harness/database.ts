import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/db/database.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { openRemoteDatabase, type RemoteDatabaseOptions } from '../../src/db/remote-database.ts';
import { sql } from '../../src/db/sql.ts';
import type { Faults } from '../hrana-server/faults.ts';
import { type HranaServerOptions, startHranaServer } from '../hrana-server/server.ts';

export interface TestDatabase {
  readonly db: Database;
  /** What DATABASE_URL would say, for threads and processes that open it again. */
  readonly url: string;
  /** Where a foreign process reads it: the file itself wherever there is one. */
  readonly seenAt: string;
  /** Of the file, also where a server in this process has it open. Throws for a real server. */
  readonly path: string;
  /** Closes the database and removes what was made for it. */
  close(): Promise<void>;
}

export interface ServedDatabase extends TestDatabase {
  /** What is to go wrong on the way to the server. */
  readonly faults: Faults;
  /** Another client of the same server. */
  openAnother(options?: Partial<RemoteDatabaseOptions>): Promise<Database>;
}

const MIGRATIONS = join(import.meta.dirname, '../../migrations');

/**
 * A database of its own, made by the real migrations. It is a file, or with `TEST_DRIVER=remote` one on a server: that at
 * `LIBSQL_SERVER_URL`, where everything is dropped first, else one in this process.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  if (process.env.TEST_DRIVER !== 'remote') return createFileDatabase();
  const serverUrl = process.env.LIBSQL_SERVER_URL;
  return serverUrl === undefined ? createServedDatabase() : createDatabaseOn(serverUrl);
}

async function createFileDatabase(): Promise<TestDatabase> {
  const { path, remove } = await migratedFile();
  const db = await openFileDatabase({ path, durability: 'normal' });
  return {
    db,
    url: path,
    seenAt: path,
    path,
    async close() {
      await db.close();
      await remove();
    },
  };
}

/** On a server in this process, with its faults; whatever driver the tests run on. */
export async function createServedDatabase(
  serverOptions: Partial<HranaServerOptions> = {},
  clientOptions: Partial<RemoteDatabaseOptions> = {},
): Promise<ServedDatabase> {
  const { path, remove } = await migratedFile();
  const server = await startHranaServer({ path, ...serverOptions });
  const opened: Database[] = [];
  const openAnother = async (options: Partial<RemoteDatabaseOptions> = {}) => {
    const database = await openRemoteDatabase({ url: server.url, ...clientOptions, ...options });
    opened.push(database);
    return database;
  };
  return {
    db: await openAnother(),
    url: server.url,
    seenAt: path,
    path,
    faults: server.faults,
    openAnother,
    async close() {
      // An answer that never comes would be waited for.
      server.faults.clear();
      await Promise.all([...opened.map((database) => database.close()), server.close()]);
      await remove();
    },
  };
}

async function createDatabaseOn(url: string): Promise<TestDatabase> {
  const db = await openRemoteDatabase({ url });
  await dropEverything(db);
  await migrate(db, MIGRATIONS);
  return {
    db,
    url,
    seenAt: url,
    get path(): string {
      throw new Error('The file of a database server is not to be seen from here.');
    },
    close: () => db.close(),
  };
}

/** For a server that is there for tests alone. */
export async function dropEverything(database: Database): Promise<void> {
  const found = await database.query<{ type: string; name: string }>(sql`
    SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'
      AND name NOT LIKE '%libsql%' AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
    ORDER BY type DESC`);
  await database.batch([
    sql`PRAGMA defer_foreign_keys = ON`,
    ...found.map(({ type, name }) => ({ text: `DROP ${type} "${name}"`, values: [] })),
  ]);
}

/** The migrations run once per process and are copied from then on. */
async function migratedFile(): Promise<{ path: string; remove(): Promise<void> }> {
  migrated ??= migratedBytes();
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-test-'));
  const path = join(directory, 'anyrag.db');
  await writeFile(path, await migrated, { mode: 0o600 });
  return { path, remove: () => rm(directory, { recursive: true }) };
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
