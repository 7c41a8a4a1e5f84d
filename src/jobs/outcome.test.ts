import { describe, expect, test } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import { GiveUp, RetryLater } from './handler.ts';
import { outcomeOf } from './outcome.ts';

describe('outcomeOf', () => {
  test('tries again after a delay that doubles with each attempt, up to 15 minutes', () => {
    const delays = [1, 2, 3, 8, 9, 10, 20].map((attempt) => {
      const outcome = outcomeOf(new Error('x'), attempt, 1);
      return outcome.kind === 'retry' ? outcome.delayMs / 1_000 : null;
    });

    expect(delays).toEqual([2, 4, 8, 256, 512, 900, 900]);
  });

  test('spreads the delays over the whole span', () => {
    expect(outcomeOf(new Error('x'), 3, 0)).toMatchObject({ delayMs: 0 });
    expect(outcomeOf(new Error('x'), 3, 0.5)).toMatchObject({ delayMs: 4_000 });
  });

  test('waits at least as long as the other side asked for', () => {
    const limited = new AppError('provider_rate_limited', undefined, { retryAfterSeconds: 60 });

    expect(outcomeOf(limited, 1, 1)).toMatchObject({ kind: 'retry', delayMs: 60_000 });
  });

  test('takes the code and the words for the caller from our own errors only', () => {
    const own = outcomeOf(new AppError('fetch_failed', 'said', { cause: new Error('secret') }), 1);
    const foreign = outcomeOf(new Error('secret'), 1);

    expect(own).toMatchObject({ error: { code: 'fetch_failed', message: 'said', retryable: true } });
    expect(foreign).toMatchObject({ error: { code: 'job_failed', retryable: true } });
    expect(JSON.stringify([own, foreign])).not.toContain('secret');
  });

  test('ends a job for an error that trying again does not help, and for GiveUp whatever its code', () => {
    expect(outcomeOf(new AppError('pdf_encrypted'), 1)).toMatchObject({ kind: 'failed', error: { retryable: false } });
    expect(outcomeOf(new GiveUp('fetch_failed'), 1)).toMatchObject({ kind: 'failed', error: { retryable: false } });
  });

  test('gives the attempt back for RetryLater', () => {
    expect(outcomeOf(new RetryLater(5_000), 3)).toEqual({ kind: 'released', delayMs: 5_000 });
  });
});
