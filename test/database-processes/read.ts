/**
 * Usage: read.ts <path or http URL> <sql>. Prints the rows as JSON, read by a connection that has nothing to do with the
 * product.
 */
import { DatabaseSync } from 'node:sqlite';
import { createClient } from '@libsql/client/http';

const [url = '', text = ''] = process.argv.slice(2);
const rows = url.startsWith('http') ? await readFromServer() : readFromFile();
process.stdout.write(JSON.stringify(rows));

function readFromFile(): unknown[] {
  const connection = new DatabaseSync(url, { readOnly: true });
  try {
    return connection.prepare(text).all();
  } finally {
    connection.close();
  }
}

async function readFromServer(): Promise<unknown[]> {
  const client = createClient({ url });
  try {
    return (await client.execute(text)).rows;
  } finally {
    client.close();
  }
}
