import { describe, expect, test } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import { parseRetryAfter, retryDelayMs, withRetries } from './retry.ts';

const unavailable = new AppError('provider_unavailable');

/** An attempt that fails with each of the errors in turn, then succeeds. */
function failing(...errors: unknown[]) {
  let attempts = 0;
  const attempt = async () => {
    const error = errors[attempts++];
    if (error !== undefined) throw error;
    return attempts;
  };
  return { attempt, count: () => attempts };
}

/** Records the waits instead of waiting. */
function policy(maxAttempts = 2, timeoutMs = 60_000) {
  const waits: number[] = [];
  const wait = async (ms: number) => void waits.push(ms);
  return { waits, options: { maxAttempts, timeoutMs, signal: undefined, wait, random: () => 1 } };
}

describe('a call', () => {
  test.each(['provider_unavailable', 'provider_rate_limited', 'provider_invalid_answer'] as const)(
    'that fails with %s is tried again',
    async (code) => {
      expect(await withRetries(failing(new AppError(code)).attempt, policy().options)).toBe(2);
    },
  );

  test.each([new AppError('provider_rejected'), new AppError('config_invalid'), new TypeError('bug')])(
    'that fails with %s is not tried again',
    async (error) => {
      const { attempt, count } = failing(error);
      await expect(withRetries(attempt, policy().options)).rejects.toBe(error);
      expect(count()).toBe(1);
    },
  );

  test('is given up after the last attempt', async () => {
    const { attempt, count } = failing(unavailable, unavailable, unavailable);
    await expect(withRetries(attempt, policy(2).options)).rejects.toBe(unavailable);
    expect(count()).toBe(2);
  });

  test('waits as long as the server asked', async () => {
    const { waits, options } = policy();
    await withRetries(failing(new AppError('provider_rate_limited', 'x', { retryAfterSeconds: 7 })).attempt, options);
    expect(waits).toEqual([7000]);
  });

  test('is not tried again when the wait would outlast its time, and says when it may be', async () => {
    const limited = new AppError('provider_rate_limited', 'x', { retryAfterSeconds: 61 });
    const { waits, options } = policy();
    await expect(withRetries(failing(limited).attempt, options)).rejects.toMatchObject({ retryAfterSeconds: 61 });
    expect(waits).toEqual([]);
  });

  test('waits longer each time', async () => {
    const { waits, options } = policy(4);
    await withRetries(failing(unavailable, unavailable, unavailable).attempt, options);
    expect(waits).toEqual([500, 1000, 2000]);
  });

  test('ends with the reason of a caller that gives up during the wait', async () => {
    const caller = new AbortController();
    const { attempt, count } = failing(new AppError('provider_rate_limited', 'x', { retryAfterSeconds: 50 }));
    const work = withRetries(attempt, { maxAttempts: 2, timeoutMs: 60_000, signal: caller.signal });
    caller.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
    expect(count()).toBe(1);
  });
});

test('a wait is drawn at random below a bound that doubles up to ten seconds', () => {
  expect(retryDelayMs(undefined, 1, () => 0)).toBe(0);
  expect(retryDelayMs(undefined, 3, () => 0.5)).toBe(1000);
  expect(retryDelayMs(undefined, 30, () => 1)).toBe(10_000);
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1, 12, 0, 0);

  test.each([
    ['3', 3],
    [' 0 ', 0],
    ['1.5', 1.5],
    ['Thu, 01 Jan 2026 12:00:30 GMT', 30],
    ['Thu, 01 Jan 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j is %s seconds', (header, seconds) => {
    expect(parseRetryAfter(header, now)).toBe(seconds);
  });
});
