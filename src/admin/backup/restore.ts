import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Secrets, systemSubject } from '../../access/index.ts';
import { revokeSigningKeys } from '../../accounts/index.ts';
import { recordAudit } from '../../audit/index.ts';
import { syncToDisk } from '../../base/durable-writes.ts';
import type { Database } from '../../db/database.ts';
import { openFileDatabase } from '../../db/file-database.ts';
import { migrate } from '../../db/migrate.ts';
import { AppError } from '../../errors/app-error.ts';
import { deleteWorker, releaseLost } from '../../jobs/index.ts';
import type { Storage } from '../../storage/index.ts';
import { checkSecretOpensData, hasAccounts } from '../host-checks.ts';
import { checkBackup } from './check-backup.ts';
import { writeDurably } from './durable-files.ts';
import { type Contents, DATABASE_FILE, FILES_FOLDER, type Manifest, unusable } from './manifest.ts';
import {
  deleteAllApiKeys,
  deleteAllInvitations,
  deleteAllMail,
  deleteAllOneTimeCredentials,
  deleteAllRefreshTokens,
  deleteWholeCache,
  raiseAllEpochs,
  revokeAllSessions,
  selectAllClaims,
  selectWorkerIds,
} from './queries.ts';
import {
  assertNotRunning,
  MARKER_FILE,
  type RestoreTargets,
  readMarker,
  removeMarker,
  writeMarker,
} from './unfinished-restore.ts';

export interface RestoreDependencies {
  dataDir: string;
  /** Where the database file and the stored originals go. */
  targets: RestoreTargets;
  migrationsDirectory: string;
  openStorage(): Promise<Storage>;
  secret: {
    /** Whether there is one already; else `open` makes one. */
    isThere: boolean;
    open(): Promise<Secrets>;
  };
}

export interface RestoreOptions {
  /** The folder of one backup. */
  source: string;
  /** Whether API keys go on to work, also those that were deleted after the backup. */
  keepApiKeys: boolean;
}

export interface RestoreReport {
  manifest: Manifest;
  sessionsRevoked: number;
  apiKeysDeleted: number;
  invitationsDeleted: number;
  jobsRequeued: number;
  /** Migrations that the backup did not have yet. */
  migrated: number;
}

/** What may be in a DATA_DIR that counts as empty. */
const MAY_BE_THERE = new Set(['secret-key', 'backups', 'lost+found', 'tmp', MARKER_FILE]);
/** Like the one that SQLite looks for beside its file. */
const LOGS = ['', '-wal', '-shm'];
const CLAIMS_AT_ONCE = 1_000;

/**
 * Restores a backup where nothing is yet. Everything is checked before the first byte is written; from then on, until all is
 * in place, a marker keeps every process from using what is only half there, and a restore that was cut off begins anew.
 *
 * What was granted for a while does not come back: sessions, refresh tokens, access tokens, invitations, links by mail and,
 * unless they are to be kept, API keys; every epoch is raised. Jobs that were running wait again.
 *
 * Throws `AppError` backup_unusable or schema_mismatch for the backup, config_invalid for another secret than that of its
 * accounts, conflict for a place where something is; then nothing was changed.
 */
export async function restoreBackup(deps: RestoreDependencies, options: RestoreOptions): Promise<RestoreReport> {
  const { source } = options;
  const contents = await checkBackup(source, deps.migrationsDirectory, (db) => checkSecret(deps, db, source));
  await mkdir(deps.dataDir, { recursive: true, mode: 0o700 });
  await mkdir(dirname(deps.targets.database), { recursive: true, mode: 0o700 });
  const storage = await prepareTargets(deps);
  for (const [key, sha256] of contents.files) await restoreFile(storage, source, key, sha256);
  const done = await restoreDatabase(deps, options, contents);
  await removeMarker(deps.dataDir);
  return { manifest: contents.manifest, ...done };
}

async function checkSecret({ secret }: RestoreDependencies, db: Database, source: string): Promise<void> {
  if (!(await hasAccounts(db))) return;
  const needed = `The accounts in ${source} are sealed with the secret of the installation that made it: set SECRET_KEY to it, or put its DATA_DIR/secret-key into this DATA_DIR.`;
  if (!secret.isThere) throw new AppError('config_invalid', needed);
  const { status } = await checkSecretOpensData(db, await secret.open());
  if (status === 'problem') throw new AppError('config_invalid', `Another secret is set. ${needed}`);
}

/** Leaves the targets empty, with the marker in place. What a restore that was cut off has left goes first. */
async function prepareTargets({ dataDir, targets, openStorage }: RestoreDependencies): Promise<Storage> {
  const marker = await readMarker(dataDir);
  const isOurs = marker?.database === targets.database && marker.storage === targets.storage;
  if (marker !== null) assertNotRunning(marker, dataDir);
  if (!isOurs) await assertEmpty(dataDir, targets);
  const storage = await openStorage();
  if (isOurs) {
    await removeRemains(targets, storage);
    return storage;
  }
  for await (const { key } of storage.list()) throw notEmpty(targets.storage, key);
  await rm(join(dataDir, MARKER_FILE), { force: true });
  await writeMarker(dataDir, targets);
  return storage;
}

async function assertEmpty(dataDir: string, { database, storage }: RestoreTargets): Promise<void> {
  const mayBeThere = new Set([...MAY_BE_THERE, basename(storage)]);
  const found = (await readdir(dataDir)).find((name) => !mayBeThere.has(name));
  if (found !== undefined) throw notEmpty(dataDir, found);
  for (const suffix of LOGS) {
    if (await isThere(database + suffix)) throw notEmpty(dirname(database), basename(database + suffix));
  }
}

function notEmpty(folder: string, found: string): AppError {
  return new AppError(
    'conflict',
    `${folder} is not empty (${found} is there): a backup is restored into an empty DATA_DIR only. Move away what is there, or set DATA_DIR to another folder.`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(absent)) !== null;
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

async function removeRemains(targets: RestoreTargets, storage: Storage): Promise<void> {
  for (const suffix of LOGS) await rm(targets.database + suffix, { force: true });
  await rm(stagingOf(targets), { recursive: true, force: true });
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  for (const key of keys) await storage.delete(key);
}

/** The sum is looked at once more, since time has passed since the check. */
async function restoreFile(storage: Storage, source: string, key: string, expected: string): Promise<void> {
  const { sha256 } = await storage.putBack(key, createReadStream(join(source, FILES_FOLDER, key)));
  if (sha256 !== expected) throw unusable(`${FILES_FOLDER}/${key} has changed while it was read.`);
}

type Done = Omit<RestoreReport, 'manifest'>;

/** The database gets its name last, when everything in it is as it has to be. */
async function restoreDatabase(
  deps: RestoreDependencies,
  { source, keepApiKeys }: RestoreOptions,
  contents: Contents,
): Promise<Done> {
  const { targets } = deps;
  const staging = stagingOf(targets);
  await mkdir(staging, { mode: 0o700 });
  const path = join(staging, DATABASE_FILE);
  const { sha256 } = await writeDurably(createReadStream(join(source, DATABASE_FILE)), path);
  if (sha256 !== contents.databaseSha256) throw unusable(`${DATABASE_FILE} has changed while it was read.`);
  const db = await openFileDatabase({ path, durability: 'full' });
  let done: Done;
  try {
    // Its copy of the state before is not needed: the backup is one.
    const { applied } = await migrate(db, deps.migrationsDirectory, { backupDir: staging });
    done = { ...(await endWhatWasUnderWay(deps, db, contents.manifest, keepApiKeys)), migrated: applied.length };
  } finally {
    await db.close();
  }
  await syncToDisk(path);
  await rename(path, targets.database);
  await syncToDisk(dirname(targets.database));
  await rm(staging, { recursive: true });
  return done;
}

function stagingOf({ database }: RestoreTargets): string {
  return `${database}.restoring`;
}

async function endWhatWasUnderWay(
  { secret }: RestoreDependencies,
  db: Database,
  manifest: Manifest,
  keepApiKeys: boolean,
): Promise<Omit<Done, 'migrated'>> {
  // By access tokens that were signed since, too.
  await revokeSigningKeys({ db, secrets: await secret.open() }, systemSubject());
  const detail = { backup_of: manifest.created_at, api_keys_kept: keepApiKeys };
  const [invitations, sessions, ...others] = await db.batch([
    deleteAllInvitations(),
    revokeAllSessions(),
    deleteAllRefreshTokens(),
    ...deleteAllOneTimeCredentials(),
    deleteAllMail(),
    deleteWholeCache(),
    raiseAllEpochs(),
    recordAudit(systemSubject(), 'backup.restored', { type: 'system', id: 'database' }, { detail }),
    ...(keepApiKeys ? [] : [deleteAllApiKeys()]),
  ]);
  return {
    invitationsDeleted: invitations!.length,
    sessionsRevoked: sessions!.length,
    apiKeysDeleted: keepApiKeys ? 0 : others.at(-1)!.length,
    jobsRequeued: await requeueJobs(db),
  };
}

/** Their workers never hear of it. No attempt is counted, since the restore is not their fault. */
async function requeueJobs(db: Database): Promise<number> {
  const claims = await selectAllClaims(db);
  for (let start = 0; start < claims.length; start += CLAIMS_AT_ONCE) {
    await db.batch([releaseLost(claims.slice(start, start + CLAIMS_AT_ONCE))]);
  }
  const workers = await selectWorkerIds(db);
  if (workers.length > 0) await db.batch(workers.map(deleteWorker));
  return claims.length;
}
