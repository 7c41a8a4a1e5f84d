import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The lines of a file in this directory: one attack each, with the answer that it must get. */
export function linesOf<Line>(name: string): Line[] {
  return readFileSync(join(import.meta.dirname, `${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
