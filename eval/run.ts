import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createEmbeddingModel, type EmbeddingModel } from '../src/providers/index.ts';
import { cachedEmbedding, embeddingCacheDirectory } from './cached-embedding.ts';
import { readLabelledSet, SET_NAMES, type SetName } from './labelled-set.ts';
import { METRICS, type RankingQuality } from './metrics.ts';
import { dropsBelow, readResults, TOLERANCE, writeResults } from './results.ts';
import { MODES, measureSet, type SetMeasurement } from './retrieval.ts';
import { formatTable } from './table.ts';

const USAGE = `Usage: script/eval [--sets cranfield,cisi,xquad-en,xquad-th] [--words-only] [--limit QUERIES] [--check]
EVAL_DATA_DIR names the directory of the labelled sets. Results are written to eval/results, except with --check, which
compares with what is there, and after a partial run (--words-only, --limit).`;

interface Options {
  dataDir: string;
  sets: SetName[];
  wordsOnly: boolean;
  limit: number;
  check: boolean;
}

type Baselines = Record<SetName, Record<string, Partial<RankingQuality>>>;

async function main(options: Options): Promise<string[]> {
  const model = options.wordsOnly ? null : openModel();
  const failures: string[] = [];
  try {
    const baselines = await readBaselines();
    for (const name of options.sets) failures.push(...(await evaluate(name, model, options, baselines)));
  } finally {
    await model?.close();
  }
  return failures;
}

/** Resolves to what is wrong with the numbers of this set. */
async function evaluate(
  name: SetName,
  model: EmbeddingModel | null,
  options: Options,
  baselines: Baselines,
): Promise<string[]> {
  const set = await readLabelledSet(options.dataDir, name);
  set.queries.splice(options.limit);
  const measured = await measureSet(set, model, (progress) => console.error(`${name}: ${progress}`));
  console.log(describe(name, measured, baselines[name]));
  const failures = hybridBelowKeyword(measured);
  if (options.check) failures.push(...dropsOf(measured, await readResults<SetMeasurement>(name)));
  else if (model !== null && options.limit === Number.POSITIVE_INFINITY) await writeResults(name, measured);
  return failures.map((failure) => `${name}: ${failure}`);
}

function hybridBelowKeyword({ quality: { keyword, hybrid } }: SetMeasurement): string[] {
  if (keyword === undefined || hybrid === undefined || hybrid.ndcg10 >= keyword.ndcg10 - TOLERANCE) return [];
  return [`hybrid search (${hybrid.ndcg10.toFixed(4)}) is worse than words alone (${keyword.ndcg10.toFixed(4)})`];
}

function dropsOf(measured: SetMeasurement, committed: SetMeasurement): string[] {
  return MODES.flatMap((mode) =>
    dropsBelow({ ...committed.quality[mode] }, { ...measured.quality[mode] }).map((drop) => `${mode} ${drop}`),
  );
}

function describe(name: SetName, measured: SetMeasurement, baselines: Baselines[SetName]): string {
  const row = (label: string, quality: Partial<RankingQuality>) => [label, ...METRICS.map((metric) => quality[metric])];
  const { documents, passages, queries } = measured;
  const table = formatTable(
    ['', 'nDCG@10', 'recall@10', 'MRR'],
    [
      ...MODES.flatMap((mode) => (measured.quality[mode] ? [row(mode, measured.quality[mode])] : [])),
      ...Object.entries(baselines).map(([label, quality]) => row(`baseline ${label}`, quality)),
    ],
  );
  return `\n${name}: ${documents} documents, ${passages} passages, ${queries} queries\n${table}`;
}

async function readBaselines(): Promise<Baselines> {
  return JSON.parse(await readFile(join(import.meta.dirname, 'baselines.json'), 'utf8')).retrieval;
}

function openModel(): EmbeddingModel {
  const model = createEmbeddingModel({
    provider: 'packaged',
    threads: 2,
    url: null,
    model: null,
    apiKey: null,
    dimensions: null,
    weight: null,
    maxChars: null,
    timeoutMs: 60_000,
  });
  return cachedEmbedding(model!, embeddingCacheDirectory());
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      sets: { type: 'string', default: SET_NAMES.join(',') },
      'words-only': { type: 'boolean', default: false },
      limit: { type: 'string', default: 'Infinity' },
      check: { type: 'boolean', default: false },
    },
  });
  const dataDir = process.env.EVAL_DATA_DIR;
  if (dataDir === undefined) throw new TypeError('EVAL_DATA_DIR is not set.');
  const sets = values.sets.split(',');
  const unknown = sets.find((name) => !(SET_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new TypeError(`There is no set ${unknown}.`);
  const limit = Number(values.limit);
  if (!(limit >= 1)) throw new TypeError('--limit must be a number of queries.');
  return { dataDir, sets: sets as SetName[], wordsOnly: values['words-only'], limit, check: values.check };
}

function readOptionsOrExit(): Options {
  try {
    return readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(64);
  }
}

const failures = await main(readOptionsOrExit());
for (const failure of failures) console.error(`FAILED ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;
