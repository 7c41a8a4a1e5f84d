import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readChunkingSet } from './chunking-set.ts';
import { COVERAGE_METRICS, type Coverage, measureCoverage } from './coverage.ts';
import { dropsBelow, readResults, writeResults } from './results.ts';
import { formatTable } from './table.ts';

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const dataDir = process.env.EVAL_DATA_DIR;
if (dataDir === undefined) {
  console.error('EVAL_DATA_DIR is not set. Usage: script/eval chunking [--check]');
  process.exit(64);
}

const measured = await measureCoverage(await readChunkingSet(dataDir));
console.log(await describe(measured));
const failures = options.check ? dropsBelow(await readResults('chunking'), { ...measured }) : [];
if (!options.check) await writeResults('chunking', measured);
for (const failure of failures) console.error(`FAILED chunking: ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function describe(coverage: Coverage): Promise<string> {
  const baselines: Record<string, Coverage> = JSON.parse(
    await readFile(join(import.meta.dirname, 'baselines.json'), 'utf8'),
  ).chunking;
  const row = (label: string, values: Coverage) => [label, ...COVERAGE_METRICS.map((metric) => values[metric])];
  const table = formatTable(
    ['passages by keyword search', '2k', '4k', '8k', 'whole in 4k'],
    [row('anyrag', coverage), ...Object.entries(baselines).map(([size, values]) => row(`baseline ${size}`, values))],
  );
  return `chunking: ${coverage.passages} passages, ${coverage.questions} questions\n${table}`;
}
