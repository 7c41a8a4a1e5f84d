interface StopOptions {
  /** Has the process stopped as if by a signal. */
  early?: Promise<void>;
  /** What a second signal does before the process exits. */
  atOnce?: () => void;
}

/**
 * Runs `stop` once at the first SIGTERM or SIGINT, when the parent that started this process is gone, or when `early`
 * resolves; a second signal exits at once. The promise resolves when `stop` has ended.
 */
export function untilStopped(stop: () => Promise<void>, { early, atOnce }: StopOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    let signals = 0;
    const begin = () => {
      if (stopping) return;
      stopping = true;
      stop().then(resolve, reject);
    };
    const onSignal = () => {
      if (++signals === 1) return begin();
      atOnce?.();
      process.exit(1);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    process.on('disconnect', begin);
    // The parent may have gone before anybody listened. Undefined: there never was one.
    if (process.connected === false) begin();
    void early?.then(begin);
  });
}

/** Tells the process that started this one, if one did and is still there. */
export function tellParent(message: object): void {
  if (process.connected === true)
    process.send?.(message, undefined, undefined, () => {
      // A parent that is gone cannot be told; `untilStopped` hears of it.
    });
}
