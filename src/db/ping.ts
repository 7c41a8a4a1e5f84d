import type { Database } from './database.ts';
import { sql } from './sql.ts';

/** Throws what the driver throws when the database cannot be reached. */
export async function pingDatabase(db: Database): Promise<void> {
  await db.query(sql`SELECT 1 AS ok`);
}
