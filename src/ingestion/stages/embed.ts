import { createHash } from 'node:crypto';
import { type QuantisedVector, quantise } from '../../base/quantised-vector.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import { type ChildRequest, type JobContext, WaitForChildren } from '../../jobs/index.ts';
import type { EmbeddingModel } from '../../providers/index.ts';
import { meteredEmbedding } from '../../quotas/index.ts';
import { piecesOf } from '../chunking/pieces.ts';
import {
  assertMayWrite,
  endEmbedding,
  insertCachedEmbedding,
  insertModel,
  insertVectors,
  type StoredChunk,
  selectCachedEmbeddings,
  selectModelKey,
  selectStoredChunks,
  selectStoredParts,
  type VersionState,
} from '../queries.ts';
import { jobLimit } from '../rules.ts';
import { type PipelineDependencies, type Stage, writeFor } from './stage.ts';

/** Type of the jobs that embed a stretch of a long document. */
export const EMBED_STRETCH = 'embed_stretch';

/** Passages whose vectors share a row: few rows to read in a search, small enough to write often. */
const CHUNKS_PER_PART = 64;

/** What one child job embeds: about a minute of the packaged encoder. */
const PARTS_PER_CHILD = 8;
/** With more parts than this to do, child jobs share them among all workers. */
const MAX_PARTS_ALONE = 16;

/**
 * Stores vectors for every passage, a part at a time; parts and texts that are there already are not embedded again. The
 * parts of a long document are children of the job, which run beside one another on all workers; what they leave undone,
 * the job does itself.
 */
export const embedStage: Stage = async (deps, version, context) => {
  const model = modelFor(deps, version);
  if (version.isEmbedded || model === null) return;
  const missing = await missingParts(deps, model, version, context);
  if (missing.length > MAX_PARTS_ALONE) await shareAmongChildren(deps, version, missing, context);
  await embedParts(deps, model, version, missing, context);
  await writeFor(version, context, endEmbedding(version));
  const total = version.chunkCount ?? 0;
  context.progress('embed', total, total);
};

/** Those of these parts that are not stored yet, embedded and stored one by one. */
export async function embedStretch(
  deps: PipelineDependencies,
  version: VersionState,
  stretch: { fromPart: number; toPart: number },
  context: JobContext,
): Promise<void> {
  const model = modelFor(deps, version);
  if (model === null) return;
  const missing = await missingParts(deps, model, version, context);
  const mine = missing.filter((part) => part >= stretch.fromPart && part < stretch.toPart);
  await embedParts(deps, model, version, mine, context);
}

/** The model at the cost of the document's owner and groups. */
function modelFor({ embeddingModel, tokens }: PipelineDependencies, version: VersionState): EmbeddingModel | null {
  return embeddingModel === null ? null : meteredEmbedding(embeddingModel, tokens, { documentId: version.documentId });
}

/** Throws `WaitForChildren` while there are children to wait for; returns when they have ended, however well. */
async function shareAmongChildren(
  { rules }: PipelineDependencies,
  version: VersionState,
  missing: number[],
  context: JobContext,
): Promise<void> {
  const children = (await context.children()).filter(({ jobType }) => jobType === EMBED_STRETCH);
  if (children.length === 0)
    await context.spawn(stretchesOf(version, missing, jobLimit(rules, context.subject.userId)));
  else if (children.every(({ finishedAt }) => finishedAt !== null)) return;
  throw new WaitForChildren();
}

function stretchesOf(
  version: VersionState,
  missing: readonly number[],
  limit: ChildRequest['limit'] & object,
): ChildRequest[] {
  const starts = new Set(missing.map((part) => part - (part % PARTS_PER_CHILD)));
  return [...starts].map((fromPart) => ({
    jobType: EMBED_STRETCH,
    payload: {
      version_id: version.versionId,
      document_id: version.documentId,
      from_part: fromPart,
      to_part: fromPart + PARTS_PER_CHILD,
    },
    uniqueKey: `${EMBED_STRETCH}:${version.versionId}:${fromPart}`,
    limit,
  }));
}

async function missingParts(
  deps: PipelineDependencies,
  model: EmbeddingModel,
  version: VersionState,
  context: JobContext,
): Promise<number[]> {
  const modelKey = await modelKeyOf(deps.db, model, version, context);
  const stored = await selectStoredParts(deps.db, version.versionId, modelKey);
  const parts = Array.from({ length: Math.ceil((version.chunkCount ?? 0) / CHUNKS_PER_PART) }, (_, part) => part);
  return parts.filter((part) => !stored.has(part));
}

async function embedParts(
  deps: PipelineDependencies,
  model: EmbeddingModel,
  version: VersionState,
  parts: readonly number[],
  context: JobContext,
): Promise<void> {
  const modelKey = await modelKeyOf(deps.db, model, version, context);
  const total = version.chunkCount ?? 0;
  for (const part of parts) {
    context.progress('embed', part * CHUNKS_PER_PART, total);
    const chunks = await selectStoredChunks(deps.db, version.versionId, part * CHUNKS_PER_PART, CHUNKS_PER_PART);
    const pieces = piecesFor(chunks, version, model.maxChars);
    const vectors = await embedPieces(deps.db, model, modelKey, version, pieces, context);
    const packed = pack(pieces, vectors);
    await writeFor(version, context, [insertVectors({ versionId: version.versionId, modelKey, part, ...packed })]);
  }
}

interface Piece {
  ordinal: number;
  text: string;
  hash: string;
}

function piecesFor(chunks: readonly StoredChunk[], version: VersionState, maxChars: number): Piece[] {
  const title = version.title ?? version.documentTitle;
  return chunks.flatMap((chunk) =>
    piecesOf(chunk.text, title, maxChars).map((text) => ({
      ordinal: chunk.ordinal,
      text,
      hash: createHash('sha256').update(text).digest('hex'),
    })),
  );
}

async function embedPieces(
  db: Database,
  model: EmbeddingModel,
  modelKey: number,
  version: VersionState,
  pieces: readonly Piece[],
  context: JobContext,
): Promise<Map<string, QuantisedVector>> {
  const hashes = [...new Set(pieces.map((piece) => piece.hash))];
  const known = await selectCachedEmbeddings(db, modelKey, version.documentId, hashes);
  const vectors = new Map<string, QuantisedVector>();
  for (const [hash, entry] of known) vectors.set(hash, { scale: entry.scale, codes: new Int8Array(entry.codes) });
  const missing = [...new Map(pieces.map((piece) => [piece.hash, piece.text]))].filter(([hash]) => !vectors.has(hash));
  for (let from = 0; from < missing.length; from += model.batchSize) {
    context.signal.throwIfAborted();
    const batch = missing.slice(from, from + model.batchSize);
    await assertMayWrite(db, context.subject, version.documentId);
    const embedded = await model.embed(
      batch.map(([, text]) => text),
      { purpose: 'document', signal: context.signal },
    );
    const fresh = batch.map(([hash], index) => ({ hash, vector: quantise(embedded[index]!) }));
    for (const { hash, vector } of fresh) vectors.set(hash, vector);
    // Kept batch by batch: a provider is not paid twice for what a kill interrupts.
    const rows = fresh.map(({ hash, vector: { scale, codes } }) =>
      insertCachedEmbedding(modelKey, version.documentId, { hash, scale, codes: new Uint8Array(codes.buffer) }),
    );
    await writeFor(version, context, rows);
  }
  return vectors;
}

function pack(pieces: readonly Piece[], vectors: ReadonlyMap<string, QuantisedVector>) {
  // Not of the model, which may not know them before its first answer, while every text is cached.
  const dimensions = vectors.get(pieces[0]!.hash)!.codes.length;
  const ordinals = new Int32Array(pieces.length);
  const scales = new Float32Array(pieces.length);
  const codes = new Int8Array(pieces.length * dimensions);
  for (const [index, piece] of pieces.entries()) {
    const vector = vectors.get(piece.hash)!;
    ordinals[index] = piece.ordinal;
    scales[index] = vector.scale;
    codes.set(vector.codes, index * dimensions);
  }
  return {
    pieceCount: pieces.length,
    ordinals: new Uint8Array(ordinals.buffer),
    scales: new Uint8Array(scales.buffer),
    codes: new Uint8Array(codes.buffer),
  };
}

async function modelKeyOf(
  db: Database,
  model: EmbeddingModel,
  version: VersionState,
  context: JobContext,
): Promise<number> {
  const known = await selectModelKey(db, model.id);
  if (known !== null) return known;
  // A remote model whose dimensions are not configured knows them only after its first answer.
  if (model.dimensions === 0) await model.embed(['dimensions'], { purpose: 'document', signal: context.signal });
  await writeFor(version, context, [insertModel(model.id, model.dimensions)]);
  const added = await selectModelKey(db, model.id);
  if (added === null) throw new AppError('internal', 'The embedding model could not be registered');
  return added;
}
