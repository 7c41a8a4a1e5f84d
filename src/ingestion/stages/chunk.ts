import { AppError } from '../../errors/app-error.ts';
import { requireRoom } from '../../quotas/index.ts';
import { CHUNKER_VERSION, chunkDocument } from '../chunking/chunk-document.ts';
import { beginChunking, countChunks, endChunking, insertChunks, selectText } from '../queries.ts';
import { type Stage, writeFor } from './stage.ts';

/** Small enough that the write lock is held for milliseconds, large enough that commits do not dominate. */
const CHUNKS_PER_WRITE = 200;

/** Cuts the canonical text into passages. */
export const chunkStage: Stage = async (deps, version, context) => {
  if (version.isChunked) return;
  const canonical = await selectText(deps.db, version.versionId);
  if (canonical === null) throw new AppError('not_found', 'The text of the document is gone');
  const chunks = chunkDocument(canonical);
  await writeFor(version, context, [
    ...beginChunking(version.versionId, CHUNKER_VERSION, chunks.length),
    ...requireRoom(version.documentId, ['chunks'], deps.rules.quotas),
  ]);
  const stored = await countChunks(deps.db, version.versionId);
  for (let from = stored; from < chunks.length; from += CHUNKS_PER_WRITE) {
    context.progress('chunk', from, chunks.length);
    const slice = chunks.slice(from, from + CHUNKS_PER_WRITE);
    const rows = slice.map((chunk) => ({ ...chunk, text: canonical.text.slice(chunk.charStart, chunk.charEnd) }));
    await writeFor(version, context, [insertChunks(version.versionId, rows)]);
  }
  await writeFor(version, context, [endChunking(version.versionId)]);
  context.progress('chunk', chunks.length, chunks.length);
};
