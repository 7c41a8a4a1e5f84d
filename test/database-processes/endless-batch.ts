/** Usage: endless-batch.ts <path>. Commits `before`, then runs a batch that writes `half` and never comes to its end. */
import { openFileDatabase } from '../../src/db/file-database.ts';
import { sql } from '../../src/db/sql.ts';

const [path = ''] = process.argv.slice(2);
const database = await openFileDatabase({ path, durability: 'normal' });
await database.batch([sql`INSERT INTO log VALUES ('before')`]);
process.stdout.write('started\n');
await database.batch([
  sql`INSERT INTO log VALUES ('half')`,
  // More than the page cache holds, so that uncommitted pages are in the write-ahead log already.
  sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
    INSERT INTO log SELECT 'half' || hex(zeroblob(500000)) FROM n`,
  sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`,
]);
