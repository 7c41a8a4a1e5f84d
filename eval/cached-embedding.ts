import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { EmbeddingModel } from '../src/providers/models.ts';

/** Where embeddings are kept between runs: outside the repository, since they can be made again. */
export function embeddingCacheDirectory(): string {
  return process.env.EVAL_CACHE_DIR ?? join(tmpdir(), 'anyrag-eval-cache');
}

/**
 * The model with a memory on disk, by (model, purpose, text): embedding a set takes minutes and its texts stay the same.
 * Vectors are kept in float32 as the model gave them, so a cached run ranks exactly as the first one. Several processes
 * may share a directory. Closing it closes the model.
 */
export function cachedEmbedding(model: EmbeddingModel, directory: string): EmbeddingModel {
  mkdirSync(directory, { recursive: true });
  const cache = new DatabaseSync(join(directory, 'embeddings.db'), { timeout: 30_000 });
  cache.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB NOT NULL) STRICT, WITHOUT ROWID`);
  const select = cache.prepare('SELECT vector FROM embeddings WHERE key = ?');
  const insert = cache.prepare('INSERT OR IGNORE INTO embeddings (key, vector) VALUES (?, ?)');

  const known = (key: Uint8Array): Float32Array | null => {
    const row = select.get(key) as { vector: Uint8Array } | undefined;
    return row === undefined ? null : new Float32Array(row.vector.slice().buffer);
  };

  return {
    id: model.id,
    get dimensions() {
      return model.dimensions;
    },
    hybridWeight: model.hybridWeight,
    languages: model.languages,
    maxChars: model.maxChars,
    isMetered: model.isMetered,
    batchSize: model.batchSize,

    async embed(texts, options) {
      const keys = texts.map((text) => keyOf(model.id, options.purpose, text));
      const vectors = keys.map(known);
      const missing = [...vectors.keys()].filter((at) => vectors[at] === null);
      if (missing.length === 0) return vectors as Float32Array[];
      const fresh = await model.embed(
        missing.map((at) => texts[at]!),
        options,
      );
      for (const [index, at] of missing.entries()) {
        const vector = fresh[index]!;
        vectors[at] = vector;
        insert.run(keys[at]!, new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
      }
      return vectors as Float32Array[];
    },

    async close() {
      await model.close();
      if (cache.isOpen) cache.close();
    },
  };
}

function keyOf(modelId: string, purpose: string, text: string): Uint8Array {
  return createHash('sha256')
    .update(JSON.stringify([modelId, purpose, text]))
    .digest();
}
