/** Usage: read.ts <path> <sql>. Prints the rows as JSON, read by a connection that has nothing to do with the product. */
import { DatabaseSync } from 'node:sqlite';

const [path = '', text = ''] = process.argv.slice(2);
const connection = new DatabaseSync(path, { readOnly: true });
process.stdout.write(JSON.stringify(connection.prepare(text).all()));
connection.close();
