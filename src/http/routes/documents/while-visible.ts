import { Readable } from 'node:stream';
import { AppError } from '../../../errors/app-error.ts';

/** A large file takes its time on a slow line, and somebody who reads slowly on purpose would otherwise keep what was revoked. */
const LOOK_EVERY_MS = 1_000;

/**
 * The bytes for as long as their reader may see them: `isVisible` is asked again when more than `everyMs` have passed, and the
 * stream breaks off with rights_revoked where it is not so any more.
 */
export function whileVisible(content: Readable, isVisible: () => Promise<boolean>, everyMs = LOOK_EVERY_MS): Readable {
  async function* pieces() {
    let lookedMs = performance.now();
    for await (const piece of content) {
      if (performance.now() - lookedMs >= everyMs) {
        if (!(await isVisible())) throw new AppError('rights_revoked');
        lookedMs = performance.now();
      }
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
