/**
 * A deterministic stand-in for an embedding: each word is hashed to one signed dimension, so texts that share words are
 * near each other. L2-normalised; a text without words points along the first axis.
 */
export function wordVector(text: string, dimensions: number): number[] {
  const vector = new Array<number>(dimensions).fill(0);
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    const hash = fnv1a(word);
    vector[(hash >>> 1) % dimensions]! += hash & 1 ? 1 : -1;
  }
  const length = Math.hypot(...vector);
  if (length === 0) return vector.with(0, 1);
  return vector.map((component) => component / length);
}

/** FNV-1a, 32 bits, over UTF-16 code units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
