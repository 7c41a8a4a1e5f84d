import { join } from 'node:path';
import { expect, test } from 'vitest';
import { measureFindings, readLabelled } from './pii-quality.ts';
import { readResults, TOLERANCE } from './results.ts';

const dataDir = process.env.EVAL_DATA_DIR;
if (dataDir === undefined)
  console.warn('EVAL_DATA_DIR is not set: finding personal data is measured on our own texts.');

const SETS: [name: string, path: string][] = [
  ['own', join(import.meta.dirname, 'pii/texts.jsonl')],
  ...(dataDir === undefined ? [] : [['presidio', join(dataDir, 'pii-presidio/texts.jsonl')] as [string, string]]),
];

test.each(SETS)('personal data in the texts of %s is found as well as it was', async (name, path) => {
  const committed = await readResults<Record<string, ReturnType<typeof measureFindings>>>('pii');
  for (const [kind, { precision, recall }] of Object.entries(measureFindings(await readLabelled(path)))) {
    const before = committed[name]![kind as 'email'];
    expect(precision, `precision of ${kind}`).toBeGreaterThanOrEqual(before.precision - TOLERANCE);
    expect(recall, `recall of ${kind}`).toBeGreaterThanOrEqual(before.recall - TOLERANCE);
  }
});
