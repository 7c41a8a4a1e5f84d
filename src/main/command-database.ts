import { mkdir } from 'node:fs/promises';
import type { Secrets } from '../access/index.ts';
import { assertRestoreFinished } from '../admin/index.ts';
import type { Output } from '../cli/output.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../db/database.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { openDatabase } from '../db/open-database.ts';
import { databaseOptionsOf, MIGRATIONS_DIRECTORY, openSecrets, readConfig } from './platform.ts';

/** What a command needs that works without a server. */
export interface CommandAccess {
  config: Config;
  db: Database;
  secrets: Secrets;
}

/** Opens the database of the server for one command and closes it again. Throws `AppError` unless it is migrated. */
export async function withDatabase(output: Output, work: (access: CommandAccess) => Promise<void>): Promise<void> {
  const config = readConfig();
  await assertRestoreFinished(config.dataDir);
  const secrets = await openSecrets(config);
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const { database: db, warnings } = await openDatabase(databaseOptionsOf(config));
  for (const warning of warnings) output.note(`Note: ${warning}`);
  try {
    await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
    await work({ config, db, secrets });
  } finally {
    await db.close();
  }
}
