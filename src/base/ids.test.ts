import { expect, test } from 'vitest';
import { newId } from './ids.ts';

test('an id is a UUID of version 7 and the variant of RFC 9562', () => {
  for (let i = 0; i < 100; i++) {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

test('ids sort by the millisecond in which they were made', () => {
  const instants = [0, 1, 255, 256, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];

  const ids = instants.map((instant) => newId(instant));

  expect(ids.toSorted()).toEqual(ids);
  expect(ids[0]).toMatch(/^00000000-0000-/);
});

test('ids of one millisecond differ', () => {
  expect(new Set(Array.from({ length: 1_000 }, () => newId(1))).size).toBe(1_000);
});
