import { parseArgs } from 'node:util';
import { formatTable } from '../eval/table.ts';
import { benchAccess } from './access.ts';
import { benchLargeUpload, benchStart, benchUploads } from './api.ts';
import { benchIngestFiles, benchIngestWithVectors } from './ingest.ts';
import type { Report } from './report.ts';
import { benchSearch } from './search.ts';

const USAGE = `Usage: script/bench [ingest] [search] [access] [api] [--chunks N] [--json]
Without a name all are run. --chunks: passages for ingest with vectors (default 1000); a tenth of those that search is
measured over. EVAL_DATA_DIR, where set, names the documents for ingest without vectors.`;

const { names, chunks, json } = readOptionsOrExit();
const benches: Record<string, () => (() => Promise<Report>)[]> = {
  ingest: () => [() => benchIngestWithVectors(chunks), ...fileBenches()],
  search: () => [() => benchSearch(chunks * 10)],
  access: () => [benchAccess],
  api: () => [benchStart, benchUploads, benchLargeUpload],
};
const reports: Report[] = [];
for (const bench of names.flatMap((name) => benches[name]!())) {
  const report = await bench();
  reports.push(report);
  if (!json) console.log(`\n${report.title}\n${formatTable(report.header, report.rows)}`);
}
if (json) console.log(JSON.stringify(Object.assign({}, ...reports.map(({ figures }) => figures)), null, 2));
else console.log(`\n${reports.map(({ summary }) => summary).join('\n')}`);

function fileBenches(): (() => Promise<Report>)[] {
  const dataDir = process.env.EVAL_DATA_DIR;
  if (dataDir !== undefined) return [() => benchIngestFiles(dataDir)];
  console.error('EVAL_DATA_DIR is not set: ingest of files is left out');
  return [];
}

function readOptionsOrExit() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, chunks: { type: 'string', default: '1000' } },
    });
    const known = ['ingest', 'search', 'access', 'api'];
    const unknown = positionals.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new TypeError(`There is no benchmark ${unknown}.`);
    const chunks = Number(values.chunks);
    if (!Number.isInteger(chunks) || chunks < 50) throw new TypeError('--chunks must be a whole number of 50 or more.');
    return { names: positionals.length > 0 ? positionals : known, chunks, json: values.json };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(64);
  }
}
