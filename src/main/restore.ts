import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { deriveSecrets, loadOrCreateSecret } from '../access/index.ts';
import { type RestoreReport, restoreBackup } from '../admin/index.ts';
import type { Output } from '../cli/output.ts';
import { printableLine } from '../cli/printable.ts';
import { runProgram } from '../cli/run-program.ts';
import { filePathOf } from '../db/open-database.ts';
import { AppError } from '../errors/app-error.ts';
import { openDirectoryStorage } from '../storage/index.ts';
import { databaseOptionsOf, MIGRATIONS_DIRECTORY, readConfig, secretFile, storageDirectory } from './platform.ts';
import { terminalOf } from './terminal.ts';

async function main(output: Output, source: string, { keepApiKeys = false }: { keepApiKeys?: boolean }) {
  const config = readConfig();
  const database = filePathOf(databaseOptionsOf(config).url);
  if (database === null) {
    throw new AppError(
      'config_invalid',
      'DATABASE_URL is a server, and a backup holds a database file: unset it, or restore the database by the means of the server.',
    );
  }
  const storage = resolve(storageDirectory(config));
  const secret = { value: config.secretKey, file: secretFile(config) };
  const report = await restoreBackup(
    {
      dataDir: config.dataDir,
      targets: { database: resolve(database), storage },
      migrationsDirectory: MIGRATIONS_DIRECTORY,
      openStorage: () => openDirectoryStorage(storage),
      secret: {
        isThere: secret.value !== null || existsSync(secret.file),
        open: async () => deriveSecrets(await loadOrCreateSecret(secret)),
      },
    },
    { source: resolve(source), keepApiKeys },
  );
  tell(output, config.dataDir, report);
}

function tell(output: Output, dataDir: string, { manifest, ...done }: RestoreReport): void {
  const json = {
    data_dir: dataDir,
    backup_of: manifest.created_at,
    files: manifest.files,
    sessions_revoked: done.sessionsRevoked,
    api_keys_deleted: done.apiKeysDeleted,
    invitations_deleted: done.invitationsDeleted,
    jobs_requeued: done.jobsRequeued,
    migrated: done.migrated,
  };
  output.result(json, () =>
    [
      `Restored the backup of ${manifest.created_at} into ${printableLine(dataDir)}: the database and ${manifest.files} stored files.`,
      `Ended ${done.sessionsRevoked} sessions and ${done.invitationsDeleted} invitations, deleted ${done.apiKeysDeleted} API keys, put ${done.jobsRequeued} running jobs back into the queue.`,
      'Everybody has to sign in again. Roles, memberships and shares are those of that instant: take back again what has been taken back since.',
    ].join('\n'),
  );
  const { missing_files: missing } = manifest;
  if (missing.length > 0) output.note(`Warning: ${missing.length} stored files were missing when it was made.`);
}

/** `anyrag restore`: an installation as it was when it was backed up. */
process.exitCode = await runProgram(process.argv.slice(2), terminalOf(process), (program, output) => {
  program
    .name('anyrag restore')
    .description('Checks a backup and puts it into an empty DATA_DIR. Everybody has to sign in again.')
    .argument('<backup>', 'a folder that "anyrag backup" made')
    .option('--keep-api-keys', 'let API keys go on, also those that were deleted since the backup')
    .action((source: string, options: { keepApiKeys?: boolean }) => main(output, source, options));
});
