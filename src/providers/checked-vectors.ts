import { AppError } from '../errors/app-error.ts';

export interface VectorExpectation {
  /** Named in the error. */
  provider: string;
  count: number;
  /** Null where only agreement among the vectors can be asked for. */
  dimensions: number | null;
}

/**
 * L2-normalised float32 vectors of what a model answered. Throws `provider_invalid_answer` for a wrong count, wrong or
 * mixed dimensions, a component that is not finite, and a vector without direction: any of them stored would silently
 * spoil every later search.
 */
export function checkedVectors(rows: readonly ArrayLike<number>[], expected: VectorExpectation): Float32Array[] {
  const { provider, count } = expected;
  if (rows.length !== count) throw invalid(provider, `${rows.length} vectors for ${count} texts`);
  const dimensions = expected.dimensions ?? rows[0]?.length ?? 0;
  return rows.map((row) => {
    if (row.length !== dimensions || row.length === 0) {
      throw invalid(provider, `a vector of ${row.length} dimensions instead of ${dimensions}`);
    }
    return normalized(row, provider);
  });
}

function normalized(row: ArrayLike<number>, provider: string): Float32Array {
  let squares = 0;
  for (let i = 0; i < row.length; i++) squares += row[i]! * row[i]!;
  const length = Math.sqrt(squares);
  if (!Number.isFinite(length)) throw invalid(provider, 'a vector that is not finite');
  if (length === 0) throw invalid(provider, 'a vector of zeros');
  return Float32Array.from(row, (component) => component / length);
}

function invalid(provider: string, what: string): AppError {
  return new AppError('provider_invalid_answer', `The model provider ${provider} answered with ${what}.`);
}
