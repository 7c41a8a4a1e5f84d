/** Usage: hold-lock.ts <path>. Takes the write lock, prints `locked`, and commits once its standard input ends. */
import { DatabaseSync } from 'node:sqlite';

const [path = ''] = process.argv.slice(2);
const connection = new DatabaseSync(path);
connection.exec('BEGIN IMMEDIATE');
process.stdout.write('locked\n');
for await (const _ of process.stdin);
connection.exec('COMMIT');
connection.close();
