/** Usage: increment.ts <path> <process name> <count>. Raises the counter so often and prints each commit that was reported. */
import { openFileDatabase } from '../../src/db/file-database.ts';
import { sql } from '../../src/db/sql.ts';

const [path = '', name = '', count = '0'] = process.argv.slice(2);
const database = await openFileDatabase({ path, durability: 'normal', busyTimeoutMs: 60_000 });
const batches = Array.from({ length: Number(count) }, async (_, n) => {
  await database.batch([
    sql`UPDATE counter SET n = n + 1`,
    sql`INSERT INTO commits (process, n) VALUES (${name}, ${n})`,
  ]);
  process.stdout.write(`${name} ${n}\n`);
});
await Promise.all(batches);
await database.close();
