import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../errors/app-error.ts';
import { splitStatements } from './split-statements.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sha256: string;
  readonly statements: readonly string[];
}

const FILE_NAME = /^(\d{4})_([a-z0-9_-]+)\.sql$/;

/**
 * The migrations of a folder in order of their numbers, which must run from 0001 without a gap. Throws `AppError`
 * schema_mismatch where they do not, or where a file ends in `.sql` under another kind of name.
 */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const fileNames = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const migrations = await Promise.all(fileNames.map((fileName) => readMigration(directory, fileName)));
  migrations.forEach(({ version }, index) => {
    if (version === index + 1) return;
    const expected = String(index + 1).padStart(4, '0');
    throw new AppError(
      'schema_mismatch',
      `Migration ${expected} is missing or numbered twice; reinstall this version.`,
    );
  });
  return migrations;
}

async function readMigration(directory: string, fileName: string): Promise<Migration> {
  const [, number, name] = FILE_NAME.exec(fileName) ?? [];
  if (number === undefined || name === undefined) {
    throw new AppError(
      'schema_mismatch',
      `Migration ${fileName} is not named NNNN_what_changes.sql; rename or remove it.`,
    );
  }
  // A checkout with other line ends is the same migration.
  const script = (await readFile(join(directory, fileName), 'utf8')).replaceAll('\r\n', '\n');
  return {
    version: Number(number),
    name,
    sha256: createHash('sha256').update(script).digest('hex'),
    statements: splitStatements(script),
  };
}
