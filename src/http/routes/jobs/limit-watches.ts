import { AppError } from '../../../errors/app-error.ts';

/** Requests that stay open are not seen by a limit on requests a minute: they only add up. */
const MAX_WATCHES_PER_CALLER = 100;

/** Runs `watch` unless the caller has too many running in this process already: then throws `AppError` rate_limited. */
export type LimitedWatch = <T>(caller: string, watch: () => Promise<T>) => Promise<T>;

export function limitWatches(): LimitedWatch {
  const running = new Map<string, number>();
  return async (caller, watch) => {
    const others = running.get(caller) ?? 0;
    if (others >= MAX_WATCHES_PER_CALLER) {
      throw new AppError('rate_limited', `More than ${MAX_WATCHES_PER_CALLER} jobs are watched at once`);
    }
    running.set(caller, others + 1);
    try {
      return await watch();
    } finally {
      const left = running.get(caller)! - 1;
      if (left === 0) running.delete(caller);
      else running.set(caller, left);
    }
  };
}
