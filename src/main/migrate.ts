import { migrate } from '../db/migrate.ts';
import { backupDirectory, MIGRATIONS_DIRECTORY, openPlatform, runProcess } from './platform.ts';

/** `anyrag migrate`: brings the database to the schema of this version. */
async function main(): Promise<void> {
  const { config, db } = await openPlatform('cli');
  const { applied, backupPath } = await migrate(db, MIGRATIONS_DIRECTORY, { backupDir: backupDirectory(config) });
  const json = process.argv.includes('--json');
  if (json) process.stdout.write(`${JSON.stringify({ applied, backup_path: backupPath })}\n`);
  else if (applied.length === 0) process.stdout.write('The database is current.\n');
  else
    process.stdout.write(
      `Applied ${applied.length} migration(s)${backupPath === null ? '' : `; copy before: ${backupPath}`}.\n`,
    );
  await db.close();
}

await runProcess(main);
