import type { KeyObject } from 'node:crypto';
import { hmacHex, type Subject } from '../access/index.ts';
import { type Cache, vectorCodec } from '../cache/index.ts';
import type { EmbeddingModel } from '../providers/index.ts';

export interface QueryVectorCache {
  readonly cache: Cache;
  /** Under it a query is hashed, so that nobody who reads the database can try out what was asked. */
  readonly key: KeyObject;
}

/** A vector gives away what its text was about, so it is kept for asking again and turning pages, not for good. */
const TTL_MS = 3_600_000;

/**
 * The vector of a query, kept for its user for an hour and deleted with the user. It is shared with nobody: how long a search
 * takes must not tell what others have asked. What a guest asks is not kept, since nobody could have it deleted. Throws
 * what `EmbeddingModel.embed` throws.
 */
export async function queryVector(
  model: EmbeddingModel,
  query: string,
  subject: Subject,
  vectors: QueryVectorCache | undefined,
): Promise<Float32Array> {
  const text = normalised(query).slice(0, model.maxChars);
  const embed = async () => (await model.embed([text], { purpose: 'query' }))[0]!;
  const { userId } = subject;
  if (vectors === undefined || userId === null) return embed();
  const key = `1:${hmacHex(vectors.key, JSON.stringify([userId, model.id, text]))}`;
  return vectors.cache.getOrCompute({ name: 'query_vector', key, userId, ttlMs: TTL_MS, codec: vectorCodec }, embed);
}

/** What no model tells apart on purpose: composed and decomposed characters, kinds and numbers of spaces. */
function normalised(query: string): string {
  return query.normalize('NFC').replace(/\s+/g, ' ').trim();
}
