import { hmacHex, type Secrets } from '../access/index.ts';
import { CUSTOMER_NETWORK, networkOf } from '../base/client-network.ts';
import { AppError } from '../errors/app-error.ts';

interface Allowance {
  /** Failures that cost nothing. */
  readonly freeFailures: number;
  /** The wait after the first failure beyond; it doubles with each more. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** Guessing one account: some 140 tries in the first day. Typing errors are free. */
const PER_ACCOUNT_AND_NETWORK: Allowance = { freeFailures: 10, firstDelayMs: 1_000, maxDelayMs: 900_000 };
/** Trying many accounts. Wider and shorter, since a whole office may be behind one address. */
const PER_NETWORK: Allowance = { freeFailures: 50, firstDelayMs: 1_000, maxDelayMs: 60_000 };

const FORGET_AFTER_MS = 86_400_000;
/** About 10 MB of memory. The longest idle are dropped, which only makes them free again. */
const MAX_COUNTED = 50_000;

interface LoginAttempt {
  /** The password was right: nothing is held against the account from this network. */
  succeeded(): void;
  /** Nobody has looked at the password. */
  withdrawn(): void;
}

export interface LoginThrottle {
  /**
   * Counts an attempt as a failure until it says otherwise, so that attempts made at once cannot all pass before the first
   * has failed. Throws `AppError` rate_limited, before any work is done and without counting, while the caller has to wait.
   */
  begin(accountId: string, clientAddress: string): LoginAttempt;
}

/**
 * Slows down guessing by account and network (/24, /56) and by network. Never by account alone: somebody else's failures
 * elsewhere do not lock an owner out. Held in this process: with several of them the allowances add up.
 */
export function createLoginThrottle(secrets: Secrets, nowMs: () => number = () => performance.now()): LoginThrottle {
  const accounts = new FailureCounter(PER_ACCOUNT_AND_NETWORK, nowMs);
  const networks = new FailureCounter(PER_NETWORK, nowMs);
  return {
    begin(accountId, clientAddress) {
      const network = hmacHex(secrets.throttleKey, networkOf(clientAddress, CUSTOMER_NETWORK));
      const account = hmacHex(secrets.throttleKey, `${accountId} ${network}`);
      const waitMs = Math.max(accounts.waitMs(account), networks.waitMs(network));
      if (waitMs > 0) {
        const retryAfterSeconds = Math.ceil(waitMs / 1_000);
        throw new AppError('rate_limited', 'Too many failed sign-ins', { retryAfterSeconds });
      }
      accounts.add(account);
      networks.add(network);
      return {
        succeeded() {
          accounts.clear(account);
          networks.takeBack(network);
        },
        withdrawn() {
          accounts.takeBack(account);
          networks.takeBack(network);
        },
      };
    },
  };
}

class FailureCounter {
  readonly #allowance: Allowance;
  readonly #nowMs: () => number;
  /** In order of the last failure. */
  readonly #counted = new Map<string, { failures: number; lastMs: number }>();

  constructor(allowance: Allowance, nowMs: () => number) {
    this.#allowance = allowance;
    this.#nowMs = nowMs;
  }

  waitMs(key: string): number {
    const counted = this.#recent(key);
    if (counted === undefined) return 0;
    return Math.max(0, counted.lastMs + this.#delayMs(counted.failures) - this.#nowMs());
  }

  add(key: string): void {
    const failures = (this.#recent(key)?.failures ?? 0) + 1;
    this.#counted.delete(key);
    this.#counted.set(key, { failures, lastMs: this.#nowMs() });
    if (this.#counted.size > MAX_COUNTED) this.#counted.delete(this.#counted.keys().next().value!);
  }

  takeBack(key: string): void {
    const counted = this.#counted.get(key);
    if (counted === undefined) return;
    counted.failures--;
    if (counted.failures <= 0) this.#counted.delete(key);
  }

  clear(key: string): void {
    this.#counted.delete(key);
  }

  #recent(key: string) {
    const counted = this.#counted.get(key);
    return counted !== undefined && this.#nowMs() - counted.lastMs < FORGET_AFTER_MS ? counted : undefined;
  }

  #delayMs(failures: number): number {
    const { freeFailures, firstDelayMs, maxDelayMs } = this.#allowance;
    if (failures < freeFailures) return 0;
    return Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - freeFailures));
  }
}
