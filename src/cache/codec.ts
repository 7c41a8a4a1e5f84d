/** How a value becomes bytes and comes back. `decode` throws for bytes that `encode` has not made. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

/** Values that JSON can hold. */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')),
  };
}

/** Vectors of float32, little-endian as on every machine that Node runs on. */
export const vectorCodec: Codec<Float32Array> = {
  encode: (vector) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
  // A copy: an array of four-byte elements cannot start at any byte, and a BLOB may.
  decode: (bytes) => new Float32Array(bytes.slice().buffer),
};
