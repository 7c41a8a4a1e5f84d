import { extname } from 'node:path';

/**
 * URL of a module beside the caller, for worker threads and child processes: the sources run as `.ts`, the published
 * package as `.js`, and a URL in a string is not rewritten by the compiler.
 */
export function siblingModule(callerUrl: string, name: string): URL {
  return new URL(`${name}${extname(new URL(callerUrl).pathname)}`, callerUrl);
}
