import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, hasCode } from '../../errors/app-error.ts';
import { requireRoom } from '../../quotas/index.ts';
import { createRedactor } from '../../redaction/index.ts';
import { storeFetched } from '../queries.ts';
import { redactFileName } from '../redaction/redact-fields.ts';
import { type Stage, writeFor } from './stage.ts';

/** Brings what lies behind a URL into the storage. Uploads are there already. */
export const fetchStage: Stage = async (deps, version, context) => {
  if (version.isFetched || version.url === null) return;
  context.progress('fetch', 0, 1);
  const directory = await mkdtemp(join(deps.temporaryDirectory, 'fetch-'));
  try {
    const path = join(directory, 'body');
    const fetched = await deps.fetchToFile(version.url, path, context.signal);
    if (fetched.bytes === 0) throw new AppError('empty_file', 'The URL answered with nothing');
    const stored = await deps.storage.put(createReadStream(path), { maxBytes: deps.maxBytes });
    try {
      await writeFor(version, context, [
        storeFetched(version.versionId, {
          storageKey: stored.key,
          bytes: stored.bytes,
          contentHash: stored.sha256,
          // Before the text is read: what names it is not to lie in the database meanwhile.
          fileName: version.piiPolicy === 'mask' ? maskFileName(fetched.fileName) : fetched.fileName,
          charset: fetched.charset,
        }),
        ...requireRoom(version.documentId, ['bytes'], deps.rules.quotas),
      ]);
    } catch (error) {
      // When the answer of the database was lost, the version may name the file: then it stays.
      if (!hasCode(error, 'database_unavailable')) await deps.storage.delete(stored.key);
      throw error;
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  context.progress('fetch', 1, 1);
};

function maskFileName(name: string | null): string | null {
  return name === null ? null : redactFileName(name, createRedactor('mask'));
}
