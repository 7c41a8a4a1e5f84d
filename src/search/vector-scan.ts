import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { dotCodes } from '../base/quantised-vector.ts';
import type { Database } from '../db/database.ts';
import { chunkIdOf } from '../documents/index.ts';
import { selectVectors, type VectorRow } from './queries.ts';
import type { Candidate } from './search.ts';

/** Many short documents have rows of a few pieces, long ones rows of about 160. */
const ROWS_PER_PAGE = 32;
/** One or two milliseconds of arithmetic before other requests get their turn. */
const PIECES_PER_TURN = 2_000;

/**
 * Exact search over the packed vectors of these rows: the best `limit` chunks by the cosine of their best piece. The rows
 * are what the caller may see, so no filter follows.
 */
export async function scanVectors(
  db: Database,
  rowNumbers: readonly number[],
  query: Float32Array,
  limit: number,
): Promise<Candidate[]> {
  const best = new BestCandidates(limit);
  let piecesInTurn = 0;
  for (let from = 0; from < rowNumbers.length; from += ROWS_PER_PAGE) {
    const rows = await selectVectors(db, rowNumbers.slice(from, from + ROWS_PER_PAGE));
    for (const row of rows) {
      scoreRow(row, query, best);
      piecesInTurn += row.ordinals.length;
      if (piecesInTurn < PIECES_PER_TURN) continue;
      piecesInTurn = 0;
      await yieldToEventLoop();
    }
  }
  return best.take();
}

function scoreRow(row: VectorRow, query: Float32Array, best: BestCandidates): void {
  let ordinal = -1;
  let score = Number.NEGATIVE_INFINITY;
  const flush = () => {
    if (ordinal >= 0) best.offer(row.versionId, ordinal, score);
  };
  // The pieces of a chunk stand together.
  for (let piece = 0; piece < row.ordinals.length; piece++) {
    if (row.ordinals[piece] !== ordinal) {
      flush();
      ordinal = row.ordinals[piece]!;
      score = Number.NEGATIVE_INFINITY;
    }
    score = Math.max(score, dotCodes(query, row.codes, piece * query.length) * row.scales[piece]!);
  }
  flush();
}

/** Keeps a little more than is asked for and sorts rarely. */
class BestCandidates {
  readonly #limit: number;
  #kept: { versionId: string; ordinal: number; score: number }[] = [];
  #threshold = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.#limit = limit;
  }

  offer(versionId: string, ordinal: number, score: number): void {
    if (score <= this.#threshold) return;
    this.#kept.push({ versionId, ordinal, score });
    if (this.#kept.length >= this.#limit * 4) this.#shrink();
  }

  take(): Candidate[] {
    this.#shrink();
    return this.#kept.map(({ versionId, ordinal, score }) => ({ chunkId: chunkIdOf(versionId, ordinal), score }));
  }

  #shrink(): void {
    this.#kept.sort((a, b) => b.score - a.score || compareText(a.versionId, b.versionId) || a.ordinal - b.ordinal);
    this.#kept.length = Math.min(this.#kept.length, this.#limit);
    if (this.#kept.length === this.#limit) this.#threshold = this.#kept.at(-1)!.score;
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
