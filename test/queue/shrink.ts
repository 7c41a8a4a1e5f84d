/**
 * The shortest run of steps found that still fails, by leaving out ever smaller pieces. `fails` answers the failure, or null;
 * it is asked at most `tries` times.
 */
export async function shrink<T>(
  steps: readonly T[],
  fails: (steps: readonly T[]) => Promise<Error | null>,
  tries: number,
): Promise<readonly T[]> {
  let shortest = steps;
  let left = tries;
  for (let size = Math.ceil(steps.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < shortest.length && left > 0; left--) {
      const shorter = [...shortest.slice(0, at), ...shortest.slice(at + size)];
      if ((await fails(shorter)) === null) at += size;
      else shortest = shorter;
    }
  }
  return shortest;
}
