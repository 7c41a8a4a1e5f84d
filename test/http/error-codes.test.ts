import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/errors/codes.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
const ROWS = [...PAGE.matchAll(/^\| `(?<code>\w+)` \| (?<status>\d{3}) \| (?<again>yes|no) \| (?<rest>.+) \|$/gm)].map(
  (match) => match.groups as Record<'code' | 'status' | 'again' | 'rest', string>,
);

test('docs/errors.md has a row for every code and no other, with its status and whether to try again', () => {
  const documented = ROWS.map(({ code, status, again }) => [code, Number(status), again === 'yes']).sort();
  const existing = Object.entries(ERROR_CODES).map(([code, { status, retryable }]) => [code, status, retryable]);
  expect(documented).toEqual(existing.sort());
});

test('every row says what the error means and what to do about it', () => {
  for (const { code, rest } of ROWS) {
    expect(
      rest.split(' | ').filter((cell) => cell.trim().length > 3),
      code,
    ).toHaveLength(2);
  }
});
