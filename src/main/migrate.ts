import type { Output } from '../cli/output.ts';
import { migrate } from '../db/migrate.ts';
import { backupDirectory, MIGRATIONS_DIRECTORY, openPlatform } from './platform.ts';
import { runProcess } from './run-process.ts';

/** `anyrag migrate`: brings the database to the schema of this version. */
async function main(output: Output): Promise<void> {
  const { config, db } = await openPlatform('cli', output);
  const { applied, backupPath } = await migrate(db, MIGRATIONS_DIRECTORY, { backupDir: backupDirectory(config) });
  await db.close();
  output.result({ applied, backup_path: backupPath }, () => {
    if (applied.length === 0) return 'The database is current.';
    return `Applied ${applied.length} migration(s)${backupPath === null ? '' : `; copy before: ${backupPath}`}.`;
  });
}

await runProcess({
  name: 'migrate',
  description: 'Brings the database to the schema of this version; a file is copied to DATA_DIR/backups before.',
  main,
});
