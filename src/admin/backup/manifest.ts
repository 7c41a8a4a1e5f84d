import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeTextDurably } from '../../base/durable-writes.ts';
import { AppError } from '../../errors/app-error.ts';
import type { Sum } from './durable-files.ts';

// A backup is a folder: the database, the stored originals by their keys, the checksums of both in the form of sha256sum(1),
// and a manifest that says what it is and holds the checksum of the checksums.

export const DATABASE_FILE = 'anyrag.db';
export const FILES_FOLDER = 'files';
const SUMS_FILE = 'SHA256SUMS';
const MANIFEST_FILE = 'manifest.json';

const SHA256 = /^[0-9a-f]{64}$/;
/** No name in a backup leads out of the folder that it is restored into. */
const SUM_LINE = /^([0-9a-f]{64}) {2}(anyrag\.db|files\/([0-9a-f]{2}\/[0-9a-f-]{36}))$/;

const manifestSchema = z.strictObject({
  format: z.literal('anyrag-backup'),
  format_version: z.literal(1),
  created_at: z.iso.datetime(),
  anyrag_version: z.string(),
  node_version: z.string(),
  /** The last migration that the database has. */
  schema_version: z.int().min(1),
  database_bytes: z.int().min(1),
  files: z.int().min(0),
  files_bytes: z.int().min(0),
  sums_sha256: z.string().regex(SHA256),
  /** Where the secret was that seals the accounts; it is not in the backup. */
  secret: z.enum(['SECRET_KEY', 'secret-key']),
  /** Keys of originals that were missing already when the backup was made. */
  missing_files: z.array(z.string()),
  /** Keys of originals whose content was not that of their checksum when the backup was made. */
  damaged_files: z.array(z.string()),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** What a backup holds, as it is said to be. */
export interface Contents {
  readonly manifest: Manifest;
  readonly databaseSha256: string;
  /** SHA-256 of each stored original by its key. */
  readonly files: ReadonlyMap<string, string>;
}

/** The last step of a backup: without its manifest a folder is none. */
export async function writeContents(
  folder: string,
  facts: Pick<
    Manifest,
    'created_at' | 'anyrag_version' | 'schema_version' | 'secret' | 'missing_files' | 'damaged_files'
  >,
  database: Sum,
  files: ReadonlyMap<string, Sum>,
): Promise<Manifest> {
  const lines = [...files].map(([key, { sha256 }]) => `${sha256}  ${FILES_FOLDER}/${key}\n`).sort();
  const sums = `${database.sha256}  ${DATABASE_FILE}\n${lines.join('')}`;
  await writeTextDurably(join(folder, SUMS_FILE), sums);
  const manifest: Manifest = {
    format: 'anyrag-backup',
    format_version: 1,
    node_version: process.version,
    ...facts,
    database_bytes: database.bytes,
    files: files.size,
    files_bytes: [...files.values()].reduce((total, { bytes }) => total + bytes, 0),
    sums_sha256: sha256Of(sums),
  };
  await writeTextDurably(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/** Throws `AppError` backup_unusable for a folder that is no backup, or one whose checksums were changed. */
export async function readContents(folder: string): Promise<Contents> {
  const manifest = parseManifest(await readPart(folder, MANIFEST_FILE));
  const sums = await readPart(folder, SUMS_FILE);
  if (sha256Of(sums) !== manifest.sums_sha256) throw unusable(`${SUMS_FILE} is not the one that the manifest names.`);
  let databaseSha256: string | null = null;
  const files = new Map<string, string>();
  for (const line of sums.split('\n').filter((text) => text !== '')) {
    const [, sha256, , key] = SUM_LINE.exec(line) ?? [];
    if (sha256 === undefined) throw unusable(`${SUMS_FILE} has a line that belongs to no backup.`);
    if (key === undefined) databaseSha256 = sha256;
    else files.set(key, sha256);
  }
  if (databaseSha256 === null || files.size !== manifest.files) throw unusable(`${SUMS_FILE} is not complete.`);
  return { manifest, databaseSha256, files };
}

export function unusable(detail: string, cause?: unknown): AppError {
  return new AppError('backup_unusable', detail, { cause });
}

function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusable(`${MANIFEST_FILE} is not JSON.`, error);
  }
  const version = (value as { format_version?: unknown } | null)?.format_version;
  if (typeof version === 'number' && version > 1) {
    throw unusable(`The backup has format ${version}, which only a newer version of anyrag can read.`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw unusable(`${MANIFEST_FILE} is not that of a backup: ${issue.path.join('.')} ${issue.message}.`);
}

async function readPart(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    throw unusable(`${join(folder, name)} cannot be read: this is no backup, or half of one.`, error);
  }
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
