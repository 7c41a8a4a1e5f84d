import type { Database, Statement } from '../../src/db/database.ts';

/** The steps of SQLite's plan for the statement, which is not run. */
export async function planOf(db: Database, statement: Statement): Promise<string[]> {
  const rows = await db.query<{ detail: string }>({
    text: `EXPLAIN QUERY PLAN ${statement.text}`,
    values: statement.values,
  });
  return rows.map((row) => row.detail);
}
