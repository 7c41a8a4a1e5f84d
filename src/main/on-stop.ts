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
    if (process.channel !== undefined) process.on('disconnect', begin);
  });
}
