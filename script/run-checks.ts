/**
 * Every check of the project, one after the other; all run even when one fails, since a list of all that is wrong saves a
 * round. Ends with the line "N passed, N failed": the tests and the checks themselves, counted together.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const CHECKS: [name: string, command: string, args: string[]][] = [
  ['format and lint', 'biome', ['ci', '.']],
  ['types', 'tsc', ['-p', '.']],
  ['import rules', 'depcruise', ['src', '--config', '.dependency-cruiser.cjs']],
  ['unused code and packages', 'knip', []],
];

const scratch = mkdtempSync(join(tmpdir(), 'anyrag-checks-'));
try {
  const counts = [...CHECKS.map(runCheck), runTests(process.argv.slice(2))].reduce(add);
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
  console.log(`\n${counts.passed} passed, ${counts.failed} failed${skipped}`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function runCheck([name, command, args]: (typeof CHECKS)[number]): Counts {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(join('node_modules/.bin', command), args, { stdio: 'inherit' });
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

function runTests(args: string[]): Counts {
  console.log('\n== tests');
  const report = join(scratch, 'tests.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync('node_modules/.bin/vitest', ['run', ...reporters, ...args], { stdio: 'inherit' });
  const { numPassedTests, numFailedTests, numPendingTests, numTotalTests } = readReport(report);
  // A file that cannot be loaded fails the run without failing a test.
  const failed = numFailedTests === 0 && (status !== 0 || numTotalTests === 0) ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests };
}

function readReport(path: string): Record<`num${'Passed' | 'Failed' | 'Pending' | 'Total'}Tests`, number> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTotalTests: 0 };
  }
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
