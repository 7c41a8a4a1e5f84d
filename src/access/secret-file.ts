import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncToDisk, writeTextDurably } from '../base/durable-writes.ts';
import { AppError } from '../errors/app-error.ts';
import { MIN_SECRET_BYTES } from './secrets.ts';

export interface SecretSource {
  /** The setting SECRET_KEY; null when it is not set. */
  readonly value: string | null;
  /** Where the generated secret is kept. Its folder is made where it is missing. */
  readonly file: string;
}

/**
 * The master secret: the one that was set, else the one in the file, else a new one, which is then in the file. Processes
 * that start at once get the same one. Throws `AppError` config_invalid, with a sentence that says what to do, when the
 * secret is too short or the file can be read by others.
 */
export async function loadOrCreateSecret({ value, file }: SecretSource): Promise<string> {
  if (value !== null) return assertLongEnough(value, 'SECRET_KEY');
  return (await readSecretFile(file)) ?? createSecretFile(file);
}

/** Distinct characters below which a value was typed, not generated: 32 random hexadecimal digits have about 14. */
const MIN_DISTINCT_CHARACTERS = 10;
const PLACEHOLDER = /change.?me|change.?this|example|placeholder|your.?secret|secret.?key|password|insecure/i;

/** Whether a master secret is too short, looks like a placeholder, or repeats itself: not good enough beyond loopback. */
export function isWeakSecret(value: string): boolean {
  return (
    Buffer.byteLength(value) < MIN_SECRET_BYTES ||
    new Set(value).size < MIN_DISTINCT_CHARACTERS ||
    PLACEHOLDER.test(value) ||
    /^(.{1,16})\1+$/s.test(value)
  );
}

async function readSecretFile(file: string): Promise<string | null> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new AppError('config_invalid', `The secret file ${file} cannot be read.`, { cause: error });
  });
  if (handle === null) return null;
  try {
    assertPrivate((await handle.stat()).mode, file);
    return assertLongEnough((await handle.readFile('utf8')).trim(), `The secret in ${file}`);
  } finally {
    await handle.close();
  }
}

/**
 * The file appears under its name whole or not at all: written beside and linked, which, unlike renaming, fails when the
 * name exists. Opened exclusively under its own name it could be read by a second process before it was written, and would
 * stay empty after a crash in between.
 */
async function createSecretFile(file: string): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    // Without this secret the whole database is unreadable: it must survive a loss of power that the database survives.
    await writeTextDurably(draft, `${secret}\n`);
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new AppError('config_invalid', `The secret file ${file} cannot be made: set SECRET_KEY.`, { cause: error });
    }
    return loadOrCreateSecret({ value: null, file });
  } finally {
    await rm(draft, { force: true });
  }
  await syncToDisk(dirname(file));
  return secret;
}

function assertPrivate(mode: number, file: string): void {
  // Windows knows no such bits and reports them as set.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  throw new AppError('config_invalid', `The secret file ${file} can be read by others: run \`chmod 600 ${file}\`.`);
}

function assertLongEnough(secret: string, name: string): string {
  if (Buffer.byteLength(secret) >= MIN_SECRET_BYTES) return secret;
  throw new AppError(
    'config_invalid',
    `${name} must have at least ${MIN_SECRET_BYTES} characters: restore the one this database was made with, or make one with \`openssl rand -base64 32\`.`,
  );
}
