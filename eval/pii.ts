import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LabelledText, measureFindings, type PiiQuality, readLabelled } from './pii-quality.ts';
import { dropsBelow, readResults, writeResults } from './results.ts';
import { formatTable } from './table.ts';

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });

const sets: Record<string, LabelledText[]> = { own: await readLabelled(join(import.meta.dirname, 'pii/texts.jsonl')) };
if (process.env.EVAL_DATA_DIR === undefined)
  console.error('EVAL_DATA_DIR is not set: only our own texts are measured.');
else sets.presidio = await readLabelled(join(process.env.EVAL_DATA_DIR, 'pii-presidio/texts.jsonl'));

const measured: Record<string, Record<string, PiiQuality>> = {};
const failures: string[] = [];
for (const [name, texts] of Object.entries(sets)) {
  measured[name] = measureFindings(texts);
  console.log(describe(name, texts.length, measured[name]));
}
if (options.check) failures.push(...(await drops()));
else if (sets.presidio !== undefined) await writeResults('pii', measured);
for (const failure of failures) console.error(`FAILED pii: ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function drops(): Promise<string[]> {
  const committed = await readResults<typeof measured>('pii');
  return Object.entries(measured).flatMap(([set, kinds]) =>
    Object.entries(kinds).flatMap(([kind, { precision, recall }]) =>
      dropsBelow({ ...committed[set]?.[kind] }, { precision, recall }).map((drop) => `${set}, ${kind}: ${drop}`),
    ),
  );
}

function describe(name: string, texts: number, kinds: Record<string, PiiQuality>): string {
  const rows = Object.entries(kinds).map(([kind, { precision, recall, marked, found }]) => [
    kind,
    String(marked),
    String(found),
    precision,
    recall,
  ]);
  return `\n${name}: ${texts} texts\n${formatTable(['', 'marked', 'found', 'precision', 'recall'], rows)}`;
}
