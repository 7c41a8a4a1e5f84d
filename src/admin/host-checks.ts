import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { openText, type Secrets } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { hasCode } from '../errors/app-error.ts';
import { ok, problem, type Verdict } from './finding.ts';
import { selectOneSealedEmail } from './queries.ts';

const MIN_NODE_MAJOR = 24;

export function checkNodeVersion(version: string): Verdict {
  const major = Number(/^v?(\d+)\./.exec(version)?.[1]);
  if (major >= MIN_NODE_MAJOR) return ok(`Node.js ${version}.`);
  return problem(
    `Node.js ${version} is older than ${MIN_NODE_MAJOR}.`,
    'Run script/bootstrap, or install a newer one.',
  );
}

/** Writable for us, closed to others: it holds everybody's documents and the secret. */
export async function checkDataDirectory(path: string): Promise<Verdict> {
  const found = await stat(path).catch(absent);
  if (found === null) return ok(`${path} does not exist yet; the first start makes it.`);
  if (!found.isDirectory()) return problem(`${path} is not a folder.`, 'Set DATA_DIR to a folder.');
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return problem(
      `${path} cannot be written by this user.`,
      `Run as the user who owns ${path}, or give it to this one.`,
    );
  }
  const mode = found.mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    return problem(`${path} is open to others (mode ${mode.toString(8)}).`, `Run "chmod 700 ${path}".`);
  }
  return ok(`${path} is writable, and closed to others.`);
}

const SECRET_LOST =
  'Restore it from the backup that belongs to the database: without it nobody can sign in, and sealed fields stay closed.';

/** `file` is where the generated secret is kept; a missing one is made at the first start, and missed once there are accounts. */
export async function checkSecret(options: { isSet: boolean; file: string; hasAccounts: boolean }): Promise<Verdict> {
  if (options.isSet) return ok('SECRET_KEY is set.');
  const found = await stat(options.file).catch(absent);
  if (found === null) {
    if (options.hasAccounts)
      return problem(`The secret ${options.file} is gone, and SECRET_KEY is not set.`, SECRET_LOST);
    return ok(`${options.file} does not exist yet; the first start makes it.`);
  }
  const mode = found.mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    return problem(`${options.file} is open to others (mode ${mode.toString(8)}).`, `Run "chmod 600 ${options.file}".`);
  }
  return ok(`${options.file} is there, for this user alone.`);
}

export async function hasAccounts(db: Database): Promise<boolean> {
  return (await selectOneSealedEmail(db)) !== null;
}

/** A database whose fields were sealed with another secret is useless with this one. */
export async function checkSecretOpensData(db: Database, secrets: Secrets): Promise<Verdict> {
  const user = await selectOneSealedEmail(db);
  if (user === null) return ok('There are no accounts yet.');
  try {
    openText(secrets, user.sealed, { column: 'users.email_sealed', row: user.userId });
    return ok('The secret is the one that the accounts were sealed with.');
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
    return problem('The secret is not the one that the accounts were sealed with.', SECRET_LOST);
  }
}

/** Room for a copy of the database, which every migration makes, and for some uploads beside it. */
const MIN_FREE_BYTES = 512 * 1_048_576;

export async function checkDiskSpace(directory: string, databaseBytes: number): Promise<Verdict> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  const needed = MIN_FREE_BYTES + databaseBytes;
  const text = `${toMiB(free)} MiB are free`;
  if (free >= needed) return ok(`${text}.`);
  return problem(
    `${text}, and a copy of the database with some uploads takes ${toMiB(needed)}.`,
    `Make room on the disk of ${directory}, or set DATA_DIR to a larger one.`,
  );
}

function toMiB(bytes: number): number {
  return Math.floor(bytes / 1_048_576);
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
