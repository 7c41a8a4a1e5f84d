import { expect, test } from 'vitest';
import { withFile } from '../../../test/parse-bytes.ts';
import { mostEffortMs } from './effort.ts';
import type { ParseInput } from './parsed-document.ts';

function inputOf(path: string, mediaType: string): ParseInput {
  return { path, mediaType, fileName: null, limits: { maxPages: 1, maxTextChars: 1, maxExpandedBytes: 1 } };
}

test('a megabyte of HTML or Markdown may take half a minute of work, more as it is longer', async () => {
  await withFile('x'.repeat(1_000_000), async (path) => {
    expect(await mostEffortMs(inputOf(path, 'text/html'))).toBe(32_000);
    expect(await mostEffortMs(inputOf(path, 'text/markdown'))).toBe(32_000);
  });
  await withFile('x'.repeat(5_000_000), async (path) => {
    expect(await mostEffortMs(inputOf(path, 'text/html'))).toBe(80_000);
  });
});

test('work on other formats is bounded by time alone', async () => {
  await withFile('x', async (path) => {
    expect(await mostEffortMs(inputOf(path, 'application/pdf'))).toBeNull();
  });
});
