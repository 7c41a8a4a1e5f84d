import type { EmbeddingModel } from '../../src/providers/models.ts';
import { wordVector } from './word-vectors.ts';

export interface FakeEmbeddingModel extends EmbeddingModel {
  /** Every text that was to be embedded as part of a document, in order, failed calls included. */
  readonly documentTexts: string[];
  readonly queryTexts: string[];
  /** Called before each answer; what it throws is the answer. */
  before(purpose: 'document' | 'query', texts: readonly string[]): void | Promise<void>;
}

/** An embedding model in this process: `wordVector`, so texts that share words are near each other. */
export function fakeEmbeddingModel(
  options: Partial<
    Pick<EmbeddingModel, 'id' | 'hybridWeight' | 'languages' | 'maxChars' | 'batchSize' | 'isMetered'>
  > & {
    dimensions?: number;
  } = {},
): FakeEmbeddingModel {
  const dimensions = options.dimensions ?? 64;
  return {
    id: options.id ?? 'fake:words:1',
    dimensions,
    hybridWeight: options.hybridWeight ?? 0.5,
    languages: options.languages ?? null,
    maxChars: options.maxChars ?? 450,
    isMetered: options.isMetered ?? false,
    batchSize: options.batchSize ?? 8,
    documentTexts: [],
    queryTexts: [],
    before: () => {},
    async embed(texts, { purpose, signal }) {
      signal?.throwIfAborted();
      (purpose === 'document' ? this.documentTexts : this.queryTexts).push(...texts);
      await this.before(purpose, texts);
      signal?.throwIfAborted();
      return texts.map((text) => Float32Array.from(wordVector(text, dimensions)));
    },
    async close() {},
  };
}
