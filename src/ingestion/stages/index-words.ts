import { segmentWords } from '../../base/words.ts';
import { insertWords, makeCurrent, type StoredChunk, selectStoredChunks } from '../queries.ts';
import { type Stage, writeFor } from './stage.ts';

const CHUNKS_PER_WRITE = 100;

/**
 * Puts the words of every passage into the index, then makes the version the document's current one: until that statement
 * a search sees the version before, afterwards the whole of this one.
 */
export const indexStage: Stage = async (deps, version, context) => {
  if (version.isIndexed) return;
  const total = version.chunkCount ?? 0;
  const title = version.title ?? version.documentTitle;
  for (let from = version.indexedCount; from < total; from += CHUNKS_PER_WRITE) {
    context.progress('index', from, total);
    const chunks = await selectStoredChunks(deps.db, version.versionId, from, CHUNKS_PER_WRITE);
    const words = chunks.map((chunk) => wordsOf(chunk, title));
    await writeFor(version, context, insertWords(version.versionId, words, from + chunks.length));
  }
  const status = deps.embeddingModel === null ? 'ready' : 'ready_words_only';
  await writeFor(version, context, makeCurrent(version, status));
  context.progress('index', total, total);
};

export function wordsOf(chunk: StoredChunk, title: string): { chunkSeq: number; title: string; body: string } {
  return {
    chunkSeq: chunk.chunkSeq,
    title: segmentWords([title, ...chunk.headingPath].join('\n')),
    body: segmentWords(chunk.text),
  };
}
