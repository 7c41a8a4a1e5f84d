import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseFixture, describeDatabase } from '../../test/database-conformance.ts';
import { dropEverything } from '../../test/harness/database.ts';
import { startHranaServer } from '../../test/hrana-server/server.ts';
import type { Database } from './database.ts';
import { openFileDatabase } from './file-database.ts';
import { openRemoteDatabase } from './remote-database.ts';

describeDatabase('a database in a file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-db-'));
  return fixture(
    () => openFileDatabase({ path: join(directory, 'test.db'), durability: 'normal' }),
    () => rm(directory, { recursive: true }),
  );
});

describeDatabase('a database on a server', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-db-'));
  const server = await startHranaServer({ path: join(directory, 'test.db'), token: 'secret' });
  return fixture(
    () => openRemoteDatabase({ url: server.url, authToken: 'secret' }),
    async () => {
      await server.close();
      await rm(directory, { recursive: true });
    },
  );
});

// A libsql-server for tests alone, as http://127.0.0.1:8080: everything in it is dropped.
const serverUrl = process.env.LIBSQL_SERVER_URL;
if (serverUrl !== undefined) {
  describeDatabase('a database on libsql-server', async () => {
    const opened = await fixture(() => openRemoteDatabase({ url: serverUrl }));
    await dropEverything(opened.database);
    return opened;
  });
}

async function fixture(open: () => Promise<Database>, remove = async () => {}): Promise<DatabaseFixture> {
  const opened: Database[] = [];
  const openAnother = async () => {
    const database = await open();
    opened.push(database);
    return database;
  };
  const dispose = async () => {
    for (const database of opened) await database.close();
    await remove();
  };
  return { database: await openAnother(), openAnother, dispose };
}
