import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { deriveSecrets, hmacHex, openText, sealText } from './secrets.ts';

const MASTER = `${'m'.repeat(20)}0123456789abcdef`;
const secrets = deriveSecrets(MASTER);
const PINNED_HMAC = '6bbb9febc82eb3f9c8ed5bf8bc5369cf19548d637a7b14cf0f75b5878dd085e1';
const PINNED_SEALED = 'AUaSkxgkR1owRCzskMDJgGluUbBC6o+4xeOW8qCNeUz+AIkSrAI26KovZl8=';
const place = { column: 'users.email_sealed', row: 'u1' } as const;

describe('deriving keys', () => {
  test('the same master secret gives the same keys, another one others', () => {
    expect(hmacHex(deriveSecrets(MASTER).emailPepper, 'x')).toBe(hmacHex(secrets.emailPepper, 'x'));
    expect(hmacHex(deriveSecrets(`${MASTER}!`).emailPepper, 'x')).not.toBe(hmacHex(secrets.emailPepper, 'x'));
  });

  // A change here would make every user id and every sealed field of existing databases unreadable.
  test('what existing databases were made with stays', () => {
    expect(hmacHex(secrets.emailPepper, 'ada@example.com')).toBe(PINNED_HMAC);
    expect(openText(secrets, Buffer.from(PINNED_SEALED, 'base64'), place)).toBe('ada@example.com');
  });

  test('no two purposes share a key', () => {
    const outputs = Object.values(secrets).map((key) => hmacHex(key, 'x'));
    expect(new Set(outputs).size).toBe(outputs.length);
  });

  test('a master secret of 31 bytes is refused', () => {
    expect(() => deriveSecrets('x'.repeat(31))).toThrow(/config_invalid/);
  });

  test('logged or serialised, the keys show nothing', () => {
    const material = Object.values(secrets).map((key) => key.export());
    const shown = inspect(secrets, { depth: 5, showHidden: true }) + JSON.stringify(secrets);
    for (const key of material) {
      expect(shown).not.toContain(key.toString('hex'));
      expect(shown).not.toContain(key.toString('base64'));
    }
  });
});

describe('sealed text', () => {
  test.each(['', 'ada@example.com', 'ชื่อ 👩‍👩‍👧', 'x'.repeat(10_000)])('opens as what was sealed: %.20s', (text) => {
    expect(openText(secrets, sealText(secrets, text, place), place)).toBe(text);
  });

  test('of equal texts differs', () => {
    expect(sealText(secrets, 'same', place)).not.toEqual(sealText(secrets, 'same', place));
  });

  const sealed = sealText(secrets, 'ada@example.com', place);
  const flipped = (at: number) => sealed.map((byte, index) => (index === at ? byte ^ 1 : byte));
  test.each([
    ['under another secret', deriveSecrets(`${MASTER}!`), sealed, place],
    ['in another row', secrets, sealed, { ...place, row: 'u2' }],
    ['in another column', secrets, sealed, { ...place, column: 'users.name_sealed' as const }],
    ['of another scheme', secrets, flipped(0), place],
    ['with another nonce', secrets, flipped(1), place],
    ['with another tag', secrets, flipped(13), place],
    ['changed', secrets, flipped(sealed.length - 1), place],
    ['cut off', secrets, sealed.slice(0, 20), place],
    ['of nothing', secrets, new Uint8Array(), place],
  ])('%s does not open', (_, withSecrets, value, at) => {
    expect(() => openText(withSecrets, value, at)).toThrow(/config_invalid.*SECRET_KEY/);
  });
});
