/**
 * Runs `stop` once at the first SIGTERM or SIGINT, or when the parent that started this process is gone; a second signal
 * exits at once. The promise resolves when `stop` has ended.
 */
export function untilStopped(stop: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const begin = () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop().then(resolve, reject);
    };
    process.on('SIGTERM', begin);
    process.on('SIGINT', begin);
    process.on('disconnect', begin);
    // The parent may have gone before anybody listened. Undefined: there never was one.
    if (process.connected === false) begin();
  });
}

/** Tells the process that started this one, if one did and is still there. */
export function tellParent(message: object): void {
  if (process.connected === true)
    process.send?.(message, undefined, undefined, () => {
      // A parent that is gone cannot be told; `untilStopped` hears of it.
    });
}
