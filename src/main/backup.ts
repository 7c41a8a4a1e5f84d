import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BackUpReport, backUp } from '../admin/index.ts';
import type { Output } from '../cli/output.ts';
import { printableLine } from '../cli/printable.ts';
import { runProgram } from '../cli/run-program.ts';
import { UsageError } from '../cli/usage-error.ts';
import type { Config } from '../config/config.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { filePathOf, openDatabase } from '../db/open-database.ts';
import { AppError } from '../errors/app-error.ts';
import { openDirectoryStorage } from '../storage/index.ts';
import { databaseOptionsOf, MIGRATIONS_DIRECTORY, readConfig, storageDirectory } from './platform.ts';
import { terminalOf } from './terminal.ts';

async function main(output: Output, directory: string, options: { keep?: string }): Promise<void> {
  const keep = numberToKeep(options.keep);
  const config = readConfig();
  assertDatabaseIsThere(config);
  const { database: db } = await openDatabase(databaseOptionsOf(config));
  try {
    await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
    const deps = {
      db,
      storage: await openDirectoryStorage(storageDirectory(config)),
      migrationsDirectory: MIGRATIONS_DIRECTORY,
      anyragVersion: JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version,
      secret: config.secretKey === null ? ('secret-key' as const) : ('SECRET_KEY' as const),
    };
    tell(output, config, await backUp(deps, { directory, keep }));
  } finally {
    await db.close();
  }
}

function numberToKeep(text: string | undefined): number | null {
  if (text === undefined) return null;
  const keep = Number(text);
  if (Number.isInteger(keep) && keep >= 1) return keep;
  throw new UsageError('--keep must be a number from 1 on');
}

/** A file, and one that exists: opening it would make an empty one. */
function assertDatabaseIsThere(config: Config): void {
  const path = filePathOf(databaseOptionsOf(config).url);
  if (path === null) {
    throw new AppError(
      'config_invalid',
      'DATABASE_URL is a server, which makes its own backups: use its means for the database, and then copy the folder of the stored files.',
    );
  }
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  throw new AppError('database_unavailable', `There is no database at ${path}: check DATA_DIR and DATABASE_URL.`);
}

function tell(output: Output, config: Config, { path, manifest, removed }: BackUpReport): void {
  const { missing_files: missing, damaged_files: damaged } = manifest;
  const bytes = manifest.database_bytes + manifest.files_bytes;
  output.result({ path, ...manifest, bytes, removed }, () =>
    [
      `Backed up to ${printableLine(path)}: the database and ${manifest.files} stored files, ${bytes} bytes in all.`,
      ...removed.map((older) => `Removed ${printableLine(older)}.`),
    ].join('\n'),
  );
  const secret = config.secretKey === null ? join(config.dataDir, 'secret-key') : 'SECRET_KEY';
  output.note(`The secret is not in it. Keep ${secret} elsewhere: without it the accounts cannot be restored.`);
  if (missing.length > 0) output.note(`Warning: ${missing.length} stored files were missing already.`);
  if (damaged.length > 0) output.note(`Warning: ${damaged.length} stored files are damaged already.`);
}

/** `anyrag backup`: a whole copy of an installation, also while it is in use. */
process.exitCode = await runProgram(process.argv.slice(2), terminalOf(process), (program, output) => {
  program
    .name('anyrag backup')
    .description(
      'Copies the database and the stored files into a new folder in <directory>, also while the server runs.',
    )
    .argument('<directory>', 'collects backups; made where it is missing')
    .option('--keep <n>', 'remove older backups until this many are left')
    .action((directory: string, options: { keep?: string }) => main(output, directory, options));
});
