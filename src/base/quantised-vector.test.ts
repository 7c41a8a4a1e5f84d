import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dotCodes, quantise } from './quantised-vector.ts';

const aVector = fc
  .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }), { minLength: 1, maxLength: 64 })
  .map((components) => Float32Array.from(components));

test('every component is at most half a step away from what it was', () => {
  fc.assert(
    fc.property(aVector, (vector) => {
      const { scale, codes } = quantise(vector);
      // Float32 rounding of the scale adds a little to the half step, and takes the smallest numbers to zero.
      for (const [i, component] of vector.entries()) {
        expect(Math.abs(codes[i]! * scale - component)).toBeLessThanOrEqual(scale * 0.501 + 1e-30);
      }
    }),
  );
});

test('codes use the whole range and never leave it', () => {
  fc.assert(
    fc.property(
      aVector.filter((vector) => vector.some((component) => Math.abs(component) > 1e-30)),
      (vector) => {
        expect(Math.max(...quantise(vector).codes.map(Math.abs))).toBe(127);
      },
    ),
  );
});

test('a zero vector stays zero', () => {
  expect(quantise(new Float32Array(3))).toEqual({ scale: 0, codes: new Int8Array(3) });
});

test('the dot product is that of the vector at the offset', () => {
  const first = quantise(Float32Array.of(1, 0));
  const second = quantise(Float32Array.of(0.6, -0.8));
  const packed = Int8Array.of(...first.codes, ...second.codes);
  const query = Float32Array.of(0.5, 0.5);

  expect(dotCodes(query, packed, 0) * first.scale).toBeCloseTo(0.5, 2);
  expect(dotCodes(query, packed, 2) * second.scale).toBeCloseTo(-0.1, 2);
});
