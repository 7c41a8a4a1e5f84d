import { expect, test } from 'vitest';
import { toTimestamp, toTimestampOrNull } from './timestamps.ts';

test('a timestamp is RFC 3339 in UTC with milliseconds', () => {
  expect(toTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(toTimestamp(1_700_000_000_123)).toBe('2023-11-14T22:13:20.123Z');
});

test('no instant is no timestamp', () => {
  expect(toTimestampOrNull(null)).toBeNull();
  expect(toTimestampOrNull(0)).toBe('1970-01-01T00:00:00.000Z');
});
