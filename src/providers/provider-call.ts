import { AppError } from '../errors/app-error.ts';

export interface CallOptions {
  /** Named in errors. */
  provider: string;
  timeoutMs: number;
  /** The caller's. */
  signal: AbortSignal | undefined;
}

/** One attempt to get a whole answer of a model; the signal that `work` gets fires with the timeout or the caller. */
export async function callModel<T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new Deadline(options);
  try {
    return await work(deadline.signal);
  } catch (error) {
    throw deadline.toError(error, 'provider_invalid_answer', 'gave an answer that could not be read');
  } finally {
    deadline.pause();
  }
}

/** The time of one attempt: knows whether it was the clock, the caller or the provider that ended it. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #options: CallOptions;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: CallOptions) {
    this.#options = options;
    const own = this.#ended.signal;
    this.signal = options.signal === undefined ? own : AbortSignal.any([own, options.signal]);
    this.restart(options.timeoutMs);
  }

  restart(ms: number): void {
    this.pause();
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#ended.abort();
    }, ms);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  /**
   * What to throw for an error of this attempt: the caller's reason, a timeout, an AppError found among the causes (the
   * SDK wraps some), or else the code given. The SDK's own errors carry prompts and answers: only their name is kept.
   */
  toError(error: unknown, code: 'provider_invalid_answer' | 'provider_unavailable', what: string): unknown {
    const { signal, provider, timeoutMs } = this.#options;
    if (signal?.aborted === true) return signal.reason;
    if (this.#isOver) {
      return new AppError('provider_unavailable', `The model provider ${provider} did not answer within its time.`, {
        cause: new Error(`no answer within ${Math.round(timeoutMs)} ms`),
      });
    }
    const known = appErrorAmongCauses(error);
    if (known !== null) return known;
    const cause = new Error(error instanceof Error ? error.name : 'error of the provider');
    return new AppError(code, `The model provider ${provider} ${what}.`, { cause });
  }
}

function appErrorAmongCauses(error: unknown): AppError | null {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    if (current instanceof AppError) return current;
    current = current.cause;
  }
  return null;
}
