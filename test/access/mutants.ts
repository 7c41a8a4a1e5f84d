/**
 * A test of the tests: errors in the rules of access, put into a copy of the source one at a time. Each must be found by the
 * comparisons with the oracle. `node test/access/mutants.ts [part of a name]` runs them and exits with 1 where one lives.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Mutant {
  name: string;
  file: string;
  /** Occurs once in the file. */
  from: string;
  to: string;
}

/**
 * The first five are those that the rules were first tried with: the ceiling of a role, the end of a share, the type of a
 * resource, and what ends a membership (groups are not archived here).
 */
export const MUTANTS: readonly Mutant[] = readFileSync(join(import.meta.dirname, 'mutants.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));

/** Everything the comparisons need; packages are those of the project. */
const COPIED = ['src', 'test', 'migrations', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const COMPARISONS = '5000';
const ROOT = join(import.meta.dirname, '../..');

/** What the comparisons say in a copy of the project with this error in it: null where they do not find it. */
function findingOf({ file, from, to }: Mutant): string | null {
  const copy = mkdtempSync(join(tmpdir(), 'anyrag-mutant-'));
  try {
    for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const source = readFileSync(join(copy, file), 'utf8');
    if (source.split(from).length !== 2) throw new Error(`Not once in ${file}: ${from}`);
    writeFileSync(
      join(copy, file),
      source.replace(from, () => to),
    );
    return comparisonsIn(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function comparisonsIn(directory: string): string | null {
  const run = spawnSync('node_modules/.bin/vitest', ['run', '--project', 'file', 'test/access/comparisons.test.ts'], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ACCESS_COMPARISONS: COMPARISONS, ACCESS_SHRINK: 'no' },
  });
  if (run.status === 0) return null;
  const output = run.stdout + run.stderr;
  // A mutant that cannot be loaded would be a mistake in the list, not a find.
  const found = /Property failed after (\d+) tests?[\s\S]*?AssertionError: (.+?): expected /.exec(output);
  if (found === null) throw new Error(`Failed otherwise than by a comparison:\n${output}`);
  return `${found[2]}, in world ${found[1]} of its round`;
}

function main(part: string): void {
  const chosen = MUTANTS.filter(({ name }) => name.includes(part));
  const alive = chosen.filter((mutant) => {
    const finding = findingOf(mutant);
    console.log(
      `${finding === null ? 'NOT FOUND' : 'found'}: ${mutant.name}${finding === null ? '' : ` (${finding})`}`,
    );
    return finding === null;
  });
  console.log(`${chosen.length - alive.length} of ${chosen.length} mutants found`);
  process.exitCode = alive.length === 0 && chosen.length > 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) main(process.argv[2] ?? '');
