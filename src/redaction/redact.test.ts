import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PII_KINDS, type PiiKind, PLACEHOLDERS } from './kinds.ts';
import { PII_POLICIES, strictestPolicy } from './policy.ts';
import { createRedactor } from './redact.ts';

const VALUES: Record<PiiKind, string> = {
  email: 'ada@example.org',
  phone: '+49 30 901820',
  iban: 'DE89 3704 0044 0532 0130 00',
  credit_card: '4111 1111 1111 1111',
  ip_address: '203.0.113.42',
  national_id: '86095742719',
  secret: `ghp_${'a1B2'.repeat(9)}`,
};
/** What makes a bare number one of a person. */
const written = (kind: PiiKind) => (kind === 'national_id' ? `Steuer-ID ${VALUES[kind]}` : VALUES[kind]);

const plainText = fc.stringMatching(/^[a-z ,.\n]{0,40}$/);
const someText = fc.array(fc.tuple(plainText, fc.constantFrom(...PII_KINDS)), { maxLength: 8 });

test('masking takes every value out, leaves the rest as it was, and counts what it took', () => {
  fc.assert(
    fc.property(someText, plainText, (parts, end) => {
      const given = parts.map(([before, kind]) => `${before}\n${written(kind)}\n`).join('') + end;
      const expected = parts
        .map(([before, kind]) => `${before}\n${written(kind).replace(VALUES[kind], PLACEHOLDERS[kind])}\n`)
        .join('');
      const redactor = createRedactor('mask');

      expect(redactor.text(given)).toBe(expected + end);

      for (const kind of PII_KINDS) {
        expect(redactor.counts[kind] ?? 0).toBe(parts.filter(([, each]) => each === kind).length);
      }
    }),
  );
});

test('counting leaves the text as it is, and off does not look', () => {
  const text = `Write to ${VALUES.email} or ${VALUES.email}.`;
  const tag = createRedactor('tag');
  const off = createRedactor('off');
  expect([tag.text(text), off.text(text)]).toEqual([text, text]);
  expect([tag.counts, off.counts]).toEqual([{ email: 2 }, {}]);
});

test('what was masked is not found again', () => {
  const masked = createRedactor('mask').text(PII_KINDS.map(written).join(' and '));
  const again = createRedactor('mask');
  expect(again.text(masked)).toBe(masked);
  expect(again.counts).toEqual({});
});

test('a JSON value is masked in its texts, numbers and names, each known by the name before it', () => {
  const redactor = createRedactor('mask');
  const value = {
    author: { 'ada@example.org': ['see 203.0.113.42', true, null] },
    card: 4_111_111_111_111_111,
    bsn: '111222333',
    year: 2_026,
  };
  expect(redactor.json(value)).toEqual({
    author: { '[EMAIL]': ['see [IP]', true, null] },
    card: '[CARD]',
    bsn: '[ID]',
    year: 2_026,
  });
  expect(redactor.counts).toEqual({ email: 1, ip_address: 1, credit_card: 1, national_id: 1 });
});

describe('of several policies', () => {
  test('the strictest applies, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PII_POLICIES)), (policies) => {
        const expected = policies.includes('mask') ? 'mask' : policies.includes('tag') ? 'tag' : 'off';
        expect(strictestPolicy(...policies)).toBe(expected);
      }),
    );
  });
});
