import type { Database } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { addTokens, type Payer, requireTokens, selectMsUntilTomorrow } from './queries.ts';
import type { QuotaDefaults } from './quota.ts';

/** Counts what is spent at model providers, before it is spent. */
export interface TokenMeter {
  /**
   * Sets the estimated tokens aside for one call. Throws `quota_exceeded` with `retryAfterSeconds` where they would go
   * beyond the day's limit; then the call must not be made.
   */
  reserve(payer: Payer, estimatedTokens: number): Promise<Reservation>;
}

export interface Reservation {
  /** Puts what the provider has reported in the place of the estimate: 0 for a call that failed, null where it said nothing. */
  settle(tokens: number | null): Promise<void>;
}

export function createTokenMeter(db: Database, defaults: QuotaDefaults): TokenMeter {
  return {
    async reserve(payer, estimatedTokens) {
      try {
        await db.batch([...addTokens(payer, estimatedTokens), requireTokens(payer, defaults)]);
      } catch (error) {
        throw hasCode(error, 'quota_exceeded') ? await untilTomorrow(db) : error;
      }
      return {
        async settle(tokens) {
          const difference = (tokens ?? estimatedTokens) - estimatedTokens;
          if (difference !== 0) await db.batch(addTokens(payer, difference));
        },
      };
    },
  };
}

/** Runs a call with its tokens set aside; `report` says what it has really cost. */
export async function spendTokens<T>(
  meter: TokenMeter,
  payer: Payer,
  estimatedTokens: number,
  call: (report: (tokens: number) => void) => Promise<T>,
): Promise<T> {
  const reservation = await meter.reserve(payer, estimatedTokens);
  let reported: number | null = null;
  try {
    const answer = await call((tokens) => {
      reported = (reported ?? 0) + tokens;
    });
    await reservation.settle(reported);
    return answer;
  } catch (error) {
    await reservation.settle(reported ?? 0);
    throw error;
  }
}

/** English has about four bytes of UTF-8 a token, and other scripts come near it by their longer letters. */
export function estimateTokens(...texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(Buffer.byteLength(text) / 4), 0);
}

async function untilTomorrow(db: Database): Promise<AppError> {
  const retryAfterSeconds = Math.ceil((await selectMsUntilTomorrow(db)) / 1_000);
  return new AppError('quota_exceeded', "Today's tokens of the model provider are used up", { retryAfterSeconds });
}
