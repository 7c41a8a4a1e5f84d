import { checkedVectors } from './checked-vectors.ts';
import type { EmbeddingModel } from './models.ts';
import { callModel } from './provider-call.ts';
import type { ProviderConnection } from './provider-connection.ts';
import { withRetries } from './retry.ts';

/** Until `eval` has measured a model: vectors of today's models are about as good as words, and words never miss a name. */
const DEFAULT_HYBRID_WEIGHT = 0.5;

/** Fits the 512 tokens that most small embedding models read. */
const DEFAULT_MAX_CHARS = 1500;

/** The smallest bound of common servers (text-embeddings-inference takes 32 texts). */
const BATCH_TEXTS = 32;

export interface RemoteEmbeddingSettings {
  url: string;
  model: string;
  apiKey: string | null;
  /** Asked of the model where set; null takes what it gives. */
  dimensions: number | null;
  weight: number | null;
  maxChars: number | null;
  /** For one call of the model with its retries. */
  timeoutMs: number;
  maxAttempts: number;
}

/** One request: as many rows as texts, unless the server errs, and the tokens they were, where the server says so. */
export type EmbedCall = (
  texts: string[],
  purpose: 'document' | 'query',
  signal: AbortSignal,
) => Promise<{ rows: readonly (readonly number[])[]; tokens: number | null }>;

/** An embedding model behind HTTP. `load` makes the SDK's model and is called once, at the first use. */
export function remoteEmbedding(
  provider: string,
  settings: RemoteEmbeddingSettings,
  connection: ProviderConnection,
  load: () => Promise<EmbedCall>,
): EmbeddingModel {
  let loaded: Promise<EmbedCall> | undefined;
  let dimensions = settings.dimensions;

  async function embedBatch(
    texts: string[],
    purpose: 'document' | 'query',
    signal: AbortSignal | undefined,
    onTokens: ((tokens: number) => void) | undefined,
  ): Promise<Float32Array[]> {
    const { timeoutMs, maxAttempts } = settings;
    return await withRetries(
      (remainingMs) =>
        callModel({ provider, timeoutMs: remainingMs, signal }, async (stop) => {
          loaded ??= load();
          const call = await loaded;
          const { rows, tokens } = await call(texts, purpose, stop);
          if (tokens !== null) onTokens?.(tokens);
          const vectors = checkedVectors(rows, {
            provider,
            count: texts.length,
            dimensions,
          });
          dimensions ??= vectors[0]?.length ?? null;
          return vectors;
        }),
      { maxAttempts, timeoutMs, signal },
    );
  }

  return {
    id: `${provider}/${settings.model}${settings.dimensions === null ? '' : `@${settings.dimensions}`}`,
    get dimensions() {
      return dimensions ?? 0;
    },
    hybridWeight: settings.weight ?? DEFAULT_HYBRID_WEIGHT,
    languages: null,
    maxChars: settings.maxChars ?? DEFAULT_MAX_CHARS,
    isMetered: true,
    batchSize: BATCH_TEXTS,
    embed: async (texts, { purpose, signal, onTokens }) => {
      const vectors: Float32Array[] = [];
      for (let at = 0; at < texts.length; at += BATCH_TEXTS) {
        vectors.push(...(await embedBatch(texts.slice(at, at + BATCH_TEXTS), purpose, signal, onTokens)));
      }
      return vectors;
    },
    close: () => connection.close(),
  };
}
