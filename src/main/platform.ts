import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deriveSecrets, isWeakSecret, loadOrCreateSecret, type Secrets } from '../access/index.ts';
import { assertRestoreFinished } from '../admin/index.ts';
import { type Config, loadConfig } from '../config/config.ts';
import type { Database } from '../db/database.ts';
import { type OpenDatabaseOptions, openDatabase } from '../db/open-database.ts';
import { AppError } from '../errors/app-error.ts';
import { openDirectoryStorage, type Storage } from '../storage/index.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';

/** What every process of anyrag opens first. */
export interface Platform {
  config: Config;
  log: Logger;
  db: Database;
  databaseOptions: OpenDatabaseOptions;
  storage: Storage;
}

const PACKAGE_ROOT = findPackageRoot();
export const MIGRATIONS_DIRECTORY = join(PACKAGE_ROOT, 'migrations');

export function readConfig(): Config {
  return loadConfig(process.env, process.cwd());
}

export async function openPlatform(
  service: 'api' | 'worker' | 'up' | 'cli',
  { isJson, config = readConfig() }: { isJson: boolean; config?: Config },
): Promise<Platform> {
  const log = createLogger({ level: config.logLevel, service, isJson });
  await assertRestoreFinished(config.dataDir);
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const databaseOptions = databaseOptionsOf(config);
  const { database, warnings } = await openDatabase(databaseOptions);
  for (const warning of warnings) log.warn({ event: 'database.warning' }, warning);
  const storage = await openDirectoryStorage(storageDirectory(config));
  return { config, log, db: database, databaseOptions, storage };
}

export function databaseOptionsOf(config: Config): OpenDatabaseOptions {
  return {
    url: config.databaseUrl ?? join(config.dataDir, 'anyrag.db'),
    authToken: config.databaseAuthToken ?? undefined,
    durability: config.databaseDurability,
  };
}

/** Where copies of the database go before it is migrated. */
export function backupDirectory(config: Config): string {
  return join(config.dataDir, 'backups');
}

/** The master secret: given, or made on first start, which is enough for loopback only. */
export async function openSecrets(config: Config): Promise<Secrets> {
  assertSecretFits(config);
  return deriveSecrets(await loadOrCreateSecret({ value: config.secretKey, file: secretFile(config) }));
}

/** Where the generated secret is kept. */
export function secretFile(config: Config): string {
  return join(config.dataDir, 'secret-key');
}

/** Throws `AppError` config_invalid where others than this machine could reach the API without a secret of its own. */
export function assertSecretFits(config: Config): void {
  if (isLoopback(config.host)) return;
  const howTo =
    'Set SECRET_KEY (or SECRET_KEY_FILE) to the output of "openssl rand -hex 32", the same for every process.';
  if (config.secretKey === null) {
    throw new AppError(
      'config_invalid',
      `HOST=${config.host} is reachable from outside and there is no SECRET_KEY. ${howTo}`,
    );
  }
  if (isWeakSecret(config.secretKey)) {
    throw new AppError('config_invalid', `SECRET_KEY is too weak for HOST=${config.host}. ${howTo}`);
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Throws `AppError` config_invalid for a STORAGE_URL that is no directory. */
export function storageDirectory(config: Config): string {
  const url = config.storageUrl;
  if (url === null) return join(config.dataDir, 'files');
  if (url.startsWith('file:')) return fileURLToPath(url);
  if (/^[a-z][a-z0-9+.-]+:/i.test(url)) {
    throw new AppError('config_invalid', `STORAGE_URL must be a directory; ${url.split(':', 1)[0]}: is not supported.`);
  }
  return url;
}

/** `src/main` in the repository, `dist/src/main` or alike in the package: the folder that holds the migrations. */
function findPackageRoot(): string {
  return dirname(dirname(dirname(fileURLToPath(import.meta.url))));
}
