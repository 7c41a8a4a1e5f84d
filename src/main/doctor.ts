import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { deriveSecrets, loadOrCreateSecret } from '../access/index.ts';
import {
  assertRestoreFinished,
  type Check,
  checkBackups,
  checkClock,
  checkDataDirectory,
  checkDiskSpace,
  checkNodeVersion,
  checkSecret,
  checkSecretOpensData,
  databaseChecks,
  type Finding,
  fileChecks,
  hasAccounts,
  ok,
  problem,
  runChecks,
  schemaIsCurrent,
} from '../admin/index.ts';
import type { Output } from '../cli/output.ts';
import { printable, printableLine } from '../cli/printable.ts';
import { runProgram } from '../cli/run-program.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../db/database.ts';
import { filePathOf, openDatabase } from '../db/open-database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { openDirectoryStorage } from '../storage/index.ts';
import { databaseOptionsOf, MIGRATIONS_DIRECTORY, readConfig, secretFile, storageDirectory } from './platform.ts';
import { providerChecks } from './provider-checks.ts';
import { setUpProblems } from './set-up-problems.ts';
import { terminalOf } from './terminal.ts';

async function examine(output: Output): Promise<void> {
  const findings = await runChecks([{ name: 'node', run: () => checkNodeVersion(process.version) }]);
  const config = validConfig(findings);
  if (config !== null) findings.push(...(await runChecks(hostChecks(config))), ...(await examineData(config)));
  const isWell = findings.every(({ status }) => status !== 'problem');
  output.result({ ok: isWell, findings }, () => findings.map((finding) => findingText(output, finding)).join('\n'));
  if (!isWell) output.exit = 'failed';
}

/** Null, with what is wrong among the findings, where nothing else can be checked. */
function validConfig(findings: Finding[]): Config | null {
  try {
    const config = readConfig();
    findings.push({ name: 'configuration', ...ok('Every setting is valid.') });
    return config;
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
    const repair = 'Correct the settings; docs/configuration.md has them all.';
    findings.push({ name: 'configuration', ...problem(error.detail, repair) });
    return null;
  }
}

function hostChecks(config: Config): Check[] {
  return [
    {
      name: 'set_up',
      async run() {
        const problems = await setUpProblems(config);
        if (problems.length === 0) return ok('Secret, storage and models are set up in a way that can start.');
        return problem(problems.join(' '), 'Correct the settings; nothing starts before.');
      },
    },
    { name: 'restore', run: () => checkRestore(config.dataDir) },
    { name: 'data_directory', run: () => checkDataDirectory(config.dataDir) },
    ...providerChecks(config),
  ];
}

async function checkRestore(dataDir: string) {
  try {
    await assertRestoreFinished(dataDir);
    return ok('No restore was cut off.');
  } catch (error) {
    if (!hasCode(error, 'database_unavailable')) throw error;
    return problem(error.detail, 'Run "anyrag restore" again with the same backup; it begins anew.');
  }
}

/** What can be said of the data as far as it can be opened; nothing is made that is not there. */
async function examineData(config: Config): Promise<Finding[]> {
  const opened = await openExisting(config);
  if ('finding' in opened) return [opened.finding];
  const { db, bytes, warnings } = opened;
  try {
    return await runChecks(await dataChecks(config, db, { bytes, warnings }));
  } finally {
    await db.close();
  }
}

async function dataChecks(
  config: Config,
  db: Database,
  { bytes, warnings }: { bytes: number; warnings: readonly string[] },
): Promise<Check[]> {
  const isCurrent = await schemaIsCurrent(db, MIGRATIONS_DIRECTORY);
  const directory = storageDirectory(config);
  const hasFiles = (await sizeOf(directory)) !== null;
  const where = db.path === null ? config.dataDir : dirname(db.path);
  const secret = {
    isSet: config.secretKey !== null,
    file: secretFile(config),
    hasAccounts: isCurrent && (await hasAccounts(db)),
  };
  const hasSecret = secret.isSet || (await sizeOf(secret.file)) !== null;
  return [
    { name: 'database', run: () => ok(`${db.path ?? 'The database server'} answers.`) },
    ...databaseChecks(db, MIGRATIONS_DIRECTORY),
    { name: 'secret', run: () => checkSecret(secret) },
    ...(isCurrent && hasSecret ? [{ name: 'secret_opens_accounts', run: () => checkSealed(config, db) }] : []),
    ...(isCurrent && hasFiles ? fileChecks(db, await openDirectoryStorage(directory)) : []),
    ...(isCurrent ? timeChecks(config, db) : []),
    { name: 'local_disk', run: () => checkLocalDisk(warnings) },
    { name: 'disk_space', run: () => checkDiskSpace(where, bytes) },
  ];
}

function timeChecks(config: Config, db: Database): Check[] {
  return [
    { name: 'clock', run: () => checkClock(db) },
    { name: 'backups', run: () => checkBackups(db, config.backupMaxAgeDays === 0 ? null : config.backupMaxAgeDays) },
  ];
}

/** What opening the database has warned of. */
function checkLocalDisk(warnings: readonly string[]) {
  if (warnings.length === 0) return ok('The database lies where SQLite can lock it.');
  return problem(warnings.join(' '), 'Set DATA_DIR to a folder on a local disk, and move the data there.');
}

async function checkSealed(config: Config, db: Database) {
  const master = await loadOrCreateSecret({ value: config.secretKey, file: secretFile(config) });
  return checkSecretOpensData(db, deriveSecrets(master));
}

type Opened = { db: Database; bytes: number; warnings: readonly string[] } | { finding: Finding };

async function openExisting(config: Config): Promise<Opened> {
  const options = databaseOptionsOf(config);
  try {
    const path = filePathOf(options.url);
    const bytes = path === null ? 0 : await sizeOf(path);
    if (bytes === null) {
      const repair =
        'For a new installation run "anyrag up" or "anyrag migrate"; else check DATA_DIR and DATABASE_URL.';
      return { finding: { name: 'database', ...problem(`${path} does not exist.`, repair) } };
    }
    const { database: db, warnings } = await openDatabase(options);
    return { db, bytes, warnings };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const repair =
      'Check DATABASE_URL, and that this user may read and write it; a damaged file is restored from a backup.';
    return { finding: { name: 'database', ...problem(error.detail, repair) } };
  }
}

/** In bytes; null for what is not there. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    // A file where a directory should be is as good as nothing; checkDataDirectory says more.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return null;
    throw error;
  }
}

const SIGNS = { ok: '✓', problem: '✗', skipped: '–' } as const;

function findingText({ colours }: Output, { name, status, detail, repair }: Finding): string {
  const colour = { ok: colours.green, problem: colours.red, skipped: colours.dim }[status];
  const head = `${colour(SIGNS[status])} ${name.padEnd(28)} ${printableLine(detail)}`;
  return repair === null ? head : `${head}\n  ${printable(repair)}`;
}

/** `anyrag doctor`: says what is wrong with an installation and its data, and what may safely be done. Changes nothing. */
process.exitCode = await runProgram(process.argv.slice(2), terminalOf(process), (program, output) => {
  program
    .name('anyrag doctor')
    .description(
      'Checks the installation and its data, also while the server runs. Exits with 1 when something is wrong.',
    )
    .action(() => examine(output));
});
