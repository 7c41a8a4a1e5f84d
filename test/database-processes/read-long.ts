/** Usage: read-long.ts <path>. Keeps a read transaction open, prints `reading`, and ends it when its standard input ends. */
import { DatabaseSync } from 'node:sqlite';

const [path = ''] = process.argv.slice(2);
const connection = new DatabaseSync(path, { readOnly: true });
connection.exec('BEGIN');
connection.prepare('SELECT count(*) FROM jobs').get();
process.stdout.write('reading\n');
for await (const _ of process.stdin);
connection.exec('COMMIT');
connection.close();
