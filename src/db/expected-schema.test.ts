import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from './database.ts';
import { schemaDifferences } from './expected-schema.ts';
import { sql } from './sql.ts';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');

let db: Database;

beforeEach(async () => {
  const opened = await createTestDatabase();
  db = opened.db;
  return opened.close;
});

describe('the schema of a migrated database', () => {
  test('is that of its migrations', async () => {
    expect(await schemaDifferences(db, MIGRATIONS)).toEqual({ missing: [], changed: [], added: [] });
  });

  test('differs by a trigger that is gone, one that was changed and one that was added', async () => {
    await db.batch([
      sql`DROP TRIGGER chunks_removed`,
      sql`DROP TRIGGER cache_removed`,
      sql`CREATE TRIGGER cache_removed AFTER DELETE ON cache BEGIN SELECT 1; END`,
      sql`CREATE TRIGGER of_somebody AFTER DELETE ON cache BEGIN SELECT 1; END`,
      sql`DROP INDEX sessions_by_user`,
    ]);
    const { missing, changed, added } = await schemaDifferences(db, MIGRATIONS);
    expect([...missing].sort()).toEqual(['index sessions_by_user', 'trigger chunks_removed']);
    expect(changed).toEqual(['trigger cache_removed']);
    expect(added).toEqual(['trigger of_somebody']);
  });
});
