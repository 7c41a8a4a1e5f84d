import { afterEach, describe, expect, test } from 'vitest';
import { EncoderPool } from './encoder-pool.ts';

const threadModule = new URL('../../test/fakes/encoder-thread.ts', import.meta.url);
const pools: EncoderPool[] = [];

function pool(maxThreads: number): EncoderPool {
  const made = new EncoderPool({ threadModule, maxThreads });
  pools.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((made) => made.close()));
});

/** The fake answers with the number of the request within its thread. */
function turn(vectors: Float32Array[]): number {
  return vectors[0]![1]!;
}

test('a vector comes back for each text', async () => {
  const vectors = await pool(1).encode(['a', 'bcd'], 'document');
  expect(vectors.map((vector) => vector[0])).toEqual([1, 3]);
});

test('a query goes before the documents that wait', async () => {
  const encoders = pool(1);
  const documents = ['d1', 'd2', 'd3'].map((text) => encoders.encode([text], 'document'));
  const query = encoders.encode(['q'], 'query');
  expect((await Promise.all(documents)).map(turn)).toEqual([1, 3, 4]);
  expect(turn(await query)).toBe(2);
});

test('work that piles up is spread over threads, up to the limit', async () => {
  const encoders = pool(2);
  const turns = (await Promise.all(['a', 'b', 'c', 'd'].map((text) => encoders.encode([text], 'document')))).map(turn);
  expect(turns.slice(0, 2)).toEqual([1, 1]);
  expect(Math.max(...turns)).toBeGreaterThan(1);
});

describe.each(['crash', 'exit'])('a thread that ends by %s', (how) => {
  test('fails its own slice and is replaced for the next', async () => {
    const encoders = pool(1);
    const lost = encoders.encode([how], 'document');
    const next = encoders.encode(['next'], 'document');
    await expect(lost).rejects.toMatchObject({ code: 'provider_unavailable' });
    expect(turn(await next)).toBe(1);
  });
});

test('a text that the model fails on does not cost the thread', async () => {
  const encoders = pool(1);
  await expect(encoders.encode(['fail'], 'document')).rejects.toMatchObject({ code: 'provider_invalid_answer' });
  expect(turn(await encoders.encode(['a'], 'document'))).toBe(2);
});

describe('the caller that gives up', () => {
  test('before it began costs nothing', async () => {
    const encoders = pool(1);
    const first = encoders.encode(['a'], 'document');
    const caller = new AbortController();
    const second = encoders.encode(['b'], 'document', caller.signal);
    const third = encoders.encode(['c'], 'document');
    caller.abort(new Error('enough'));
    await expect(second).rejects.toThrow('enough');
    expect([turn(await first), turn(await third)]).toEqual([1, 2]);
  });

  test('while it runs is answered at once, and the thread serves on', async () => {
    const encoders = pool(1);
    const caller = new AbortController();
    const running = encoders.encode(['a'], 'document', caller.signal);
    caller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(turn(await encoders.encode(['b'], 'document'))).toBe(2);
  });

  test('beforehand is not served', async () => {
    const gone = AbortSignal.abort(new Error('too late'));
    await expect(pool(1).encode(['a'], 'document', gone)).rejects.toThrow('too late');
  });
});

test('closing fails what waits and runs, may be done twice, and is final', async () => {
  const encoders = pool(1);
  const work = ['a', 'b'].map((text) => encoders.encode([text], 'document'));
  const outcomes = Promise.allSettled(work);
  await encoders.close();
  await encoders.close();
  expect((await outcomes).map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
  await expect(encoders.encode(['c'], 'query')).rejects.toMatchObject({ code: 'provider_unavailable' });
});
