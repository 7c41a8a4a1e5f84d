import fc from 'fast-check';
import { expect, test } from 'vitest';
import { normaliseEmail, userIdOf } from './identity.ts';
import { deriveSecrets } from './secrets.ts';

test.each([
  ['Ada@Example.COM', 'ada@example.com'],
  ['  ada@example.com\n', 'ada@example.com'],
  ['ada+news@example.com', 'ada+news@example.com'],
  ["o'hara.x@example.co.uk", "o'hara.x@example.co.uk"],
  ['ada@Bücher.de', 'ada@xn--bcher-kva.de'],
  ['ada@xn--bcher-kva.de', 'ada@xn--bcher-kva.de'],
  ['jose\u0301@example.com', 'jos\u00e9@example.com'],
  ['สมชาย@example.com', 'สมชาย@example.com'],
  ['ada@localhost', 'ada@localhost'],
])('%j is spelt %j', (given, normal) => {
  expect(normaliseEmail(given)).toBe(normal);
});

test.each([
  '',
  'ada',
  '@example.com',
  'ada@',
  'ada@@example.com',
  'ada@exa mple.com',
  'a da@example.com',
  '.ada@example.com',
  'ada..b@example.com',
  'ada@example..com',
  'ada@-example.com',
  'ada@127.0.0.1',
  'ada@[127.0.0.1]',
  'ada@1',
  'ada\u0000@example.com',
  'ada\u202e@example.com',
  '"a b"@example.com',
  'Ada <ada@example.com>',
  'ada@example.com, eve@example.com',
  `${'a'.repeat(65)}@example.com`,
  `ada@${'a.'.repeat(130)}com`,
])('%j is not an address', (given) => {
  expect(normaliseEmail(given)).toBeNull();
});

test('spelling an address twice changes nothing', () => {
  const localPart = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      localPart,
      fc.constantFrom('example.com', 'İstanbul.example', 'ÉCOLE.fr', 'straße.de'),
      (name, domain) => {
        const once = normaliseEmail(`${name}@${domain}`);
        if (once !== null) expect(normaliseEmail(once)).toBe(once);
      },
    ),
  );
});

test('a user id is 64 hexadecimal digits that need the secret', () => {
  const id = userIdOf('ada@example.com', deriveSecrets('s'.repeat(32)));
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(userIdOf('ada@example.com', deriveSecrets('t'.repeat(32)))).not.toBe(id);
});
