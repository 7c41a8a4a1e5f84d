/**
 * Every check of the project, one after the other; all run even when one fails, since a list of all that is wrong saves a
 * round. Ends with the line "N passed, N failed": the tests and the checks themselves, counted together.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

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

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: { name: string; status: string }[];
}

/**
 * Files that fail, or whose process dies, run once more with nothing beside them: on a busy machine a process test may miss
 * its time. What passed only then is named, since it deserves a look.
 */
function runTests(args: string[]): Counts {
  console.log('\n== tests');
  const first = vitest('first', args);
  const again = first.failedFiles;
  if (first.status === 0 || again.length === 0 || again.length > 10) return countsOf(first);
  console.log(`\n== once more, alone: ${again.join(' ')}`);
  const second = vitest('second', again);
  if (second.status === 0) console.log(`\npassed at the second try only: ${again.join(' ')}`);
  const elsewhere = first.passed - first.passedInFailedFiles;
  return countsOf({ ...second, passed: elsewhere + second.passed, skipped: first.skipped });
}

function vitest(name: string, args: string[]) {
  const path = join(scratch, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${path}`];
  const { status } = spawnSync('node_modules/.bin/vitest', ['run', ...reporters, ...args], { stdio: 'inherit' });
  return { status, ...readReport(path) };
}

/** A file that cannot be loaded, or a process that died, fails the run without failing a test. */
function countsOf(run: { status: number | null; passed: number; failed: number; skipped: number }): Counts {
  const failed = run.failed === 0 && (run.status !== 0 || run.passed === 0) ? 1 : run.failed;
  return { passed: run.passed, failed, skipped: run.skipped };
}

function readReport(path: string) {
  let report: Report & { testResults: { assertionResults: { status: string }[] }[] };
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0, failedFiles: [], passedInFailedFiles: 0 };
  }
  const isDone = ({ assertionResults }: (typeof report.testResults)[number]) =>
    assertionResults.length > 0 && assertionResults.every(({ status }) => /^(passed|skipped|pending)$/.test(status));
  // A file may run in several projects, and would run again in all of them.
  const badNames = new Set(
    report.testResults.filter((file) => file.status !== 'passed' || !isDone(file)).map(({ name }) => name),
  );
  const bad = report.testResults.filter(({ name }) => badNames.has(name));
  const passedIn = bad.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === 'passed');
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests,
    failedFiles: [...badNames].map((name) => relative(process.cwd(), name)),
    passedInFailedFiles: passedIn.length,
  };
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}
