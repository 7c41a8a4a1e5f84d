import { describe, expect, test } from 'vitest';
import { readChunkingSet } from './chunking-set.ts';
import { type Coverage, measureCoverage } from './coverage.ts';
import { readLabelledSet, SET_NAMES } from './labelled-set.ts';
import { dropsBelow, readResults } from './results.ts';
import { measureSet, type SetMeasurement } from './retrieval.ts';

const dataDir = process.env.EVAL_DATA_DIR;
if (!dataDir) console.warn('EVAL_DATA_DIR is not set: search quality is not measured');

describe.skipIf(!dataDir)('keyword search is no worse than the committed results', () => {
  test.each(SET_NAMES)('on %s', async (name) => {
    const committed = await readResults<SetMeasurement>(name);
    const { quality } = await measureSet(await readLabelledSet(dataDir!, name), null);
    expect(dropsBelow({ ...committed.quality.keyword }, { ...quality.keyword })).toEqual([]);
  });

  test('at bringing marked answers into a context', async () => {
    const committed = await readResults<Coverage>('chunking');
    const measured = await measureCoverage(await readChunkingSet(dataDir!));
    expect(dropsBelow({ ...committed }, { ...measured })).toEqual([]);
  });
});

describe('the committed results', () => {
  test.each(SET_NAMES)('have hybrid search no more than .01 below keywords on %s', async (name) => {
    const { quality } = await readResults<SetMeasurement>(name);
    expect(quality.hybrid!.ndcg10).toBeGreaterThanOrEqual(quality.keyword!.ndcg10 - 0.01);
  });
});
