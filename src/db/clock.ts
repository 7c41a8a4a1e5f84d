import type { Database } from './database.ts';
import { now, sql } from './sql.ts';

/** The database's clock, for what has to be compared with stored instants outside of a statement. */
export async function databaseNow(db: Database): Promise<number> {
  const rows = await db.query<{ now: number }>(sql`SELECT ${now} AS now`);
  return rows[0]!.now;
}
