import type { FastifyRequest } from 'fastify';
import { CALLER_NETWORK, networkOf } from '../../base/client-network.ts';
import { AppError } from '../../errors/app-error.ts';

const WINDOW_MS = 60_000;
/** A few megabytes. The oldest are dropped, which only makes them free again. */
const MAX_COUNTED = 50_000;

/**
 * Counts requests that came to nothing before anybody knew who they were from: bad credentials, none where some are needed,
 * and routes that there are none of. By address, in this process. Whoever has good credentials is never counted nor refused
 * here, so a noisy neighbour behind the same address locks nobody out.
 */
export class RefusalLimit {
  readonly #perMinute: number;
  readonly #nowMs: () => number;
  /** In order of the beginning of their minute. */
  readonly #counted = new Map<string, { refusals: number; sinceMs: number }>();

  constructor({ perMinute }: { perMinute: number }, nowMs: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#nowMs = nowMs;
  }

  /** Counts a refusal. Throws `AppError` rate_limited in its place when there were too many within a minute. */
  count(request: Pick<FastifyRequest, 'ip'>): void {
    const counted = this.#minuteOf(networkOf(request.ip, CALLER_NETWORK));
    counted.refusals++;
    if (counted.refusals <= this.#perMinute) return;
    throw new AppError('rate_limited', `More than ${this.#perMinute} refused requests in a minute`, {
      retryAfterSeconds: (counted.sinceMs + WINDOW_MS - this.#nowMs()) / 1_000,
    });
  }

  #minuteOf(network: string) {
    const known = this.#counted.get(network);
    if (known !== undefined && this.#nowMs() - known.sinceMs < WINDOW_MS) return known;
    const fresh = { refusals: 0, sinceMs: this.#nowMs() };
    this.#counted.delete(network);
    this.#counted.set(network, fresh);
    if (this.#counted.size > MAX_COUNTED) this.#counted.delete(this.#counted.keys().next().value!);
    return fresh;
  }
}
