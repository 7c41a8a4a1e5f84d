import { DatabaseSync } from 'node:sqlite';
import type { Database } from './database.ts';
import { readMigrations } from './migration-files.ts';
import { sql } from './sql.ts';

export interface SchemaDifferences {
  /** Tables, indexes, triggers and views that the migrations make and the database lacks, as "trigger chunks_removed". */
  readonly missing: readonly string[];
  /** Those that the database has in another form. */
  readonly changed: readonly string[];
  /** Those that no migration makes. */
  readonly added: readonly string[];
}

interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

/** What SQLite makes for itself has no text. Tables of a server's own are not of the schema. */
const OBJECTS = sql<SchemaObject>`SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL
  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '%libsql%' AND name <> 'schema_migrations'`;

/** How the schema of a migrated database differs from what its migrations make of an empty one. */
export async function schemaDifferences(db: Database, migrationsDirectory: string): Promise<SchemaDifferences> {
  const expected = byName(await expectedObjects(migrationsDirectory));
  const actual = byName(await db.query(OBJECTS));
  return {
    missing: [...expected.keys()].filter((name) => !actual.has(name)),
    changed: [...expected].filter(([name, text]) => (actual.get(name) ?? text) !== text).map(([name]) => name),
    added: [...actual.keys()].filter((name) => !expected.has(name)),
  };
}

async function expectedObjects(migrationsDirectory: string): Promise<SchemaObject[]> {
  const migrations = await readMigrations(migrationsDirectory);
  const connection = new DatabaseSync(':memory:');
  try {
    for (const { statements } of migrations) for (const statement of statements) connection.exec(statement);
    return connection.prepare(OBJECTS.text).all() as unknown as SchemaObject[];
  } finally {
    connection.close();
  }
}

function byName(objects: readonly SchemaObject[]): Map<string, string> {
  return new Map(objects.map(({ type, name, sql: text }) => [`${type} ${name}`, text]));
}
