import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AUDIT_ACTIONS } from './index.ts';

test('docs/access.md explains every action there is, and no other', async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/access.md'), 'utf8');
  const table = text.slice(text.indexOf('| Action |'));
  const explained = [...table.matchAll(/`([a-z_]+\.[a-z_]+)`/g)].map((match) => match[1]);
  expect(explained.sort()).toEqual([...AUDIT_ACTIONS].sort());
});
