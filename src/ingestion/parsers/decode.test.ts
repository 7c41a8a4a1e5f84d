import { describe, expect, test } from 'vitest';
import { decodeText } from './decode.ts';

const JAPANESE_SJIS = '96bc914f2c944e97ee2c8f5a8f8a0d0a8db293a191be98592c33302c938c8b9e0d0a';
const JAPANESE = '名前,年齢,住所\r\n佐藤太郎,30,東京\r\n';

describe('decoding text', () => {
  test.each([
    ['UTF-8', Buffer.from('Grüße, 世界'), 'Grüße, 世界', 'utf-8'],
    ['UTF-8 with a mark', Buffer.from('\ufeffGrüße'), 'Grüße', 'utf-8'],
    ['UTF-16 with a mark', Buffer.from('\ufeffGrüße', 'utf16le'), 'Grüße', 'utf-16le'],
    ['big-endian UTF-16 with a mark', Buffer.from('\ufeffGrüße', 'utf16le').swap16(), 'Grüße', 'utf-16be'],
    ['UTF-16 without a mark', Buffer.from('some words here', 'utf16le'), 'some words here', 'utf-16le'],
    ['big-endian UTF-16 without a mark', Buffer.from('some words', 'utf16le').swap16(), 'some words', 'utf-16be'],
    ['UTF-32 with a mark', Buffer.from('fffe00004100000042f60100', 'hex'), 'A\u{1f642}', 'utf-32'],
    ['Shift JIS', Buffer.from(JAPANESE_SJIS, 'hex'), JAPANESE, 'shift_jis'],
    [
      'windows-1252',
      Buffer.from('Le café était fermé à midi, dit-il à sa sœur.'.replace('œ', '\u009c'), 'latin1'),
      'Le café était fermé à midi, dit-il à sa sœur.',
      'windows-1252',
    ],
  ])('%s is recognised', (_, bytes, text, encoding) => {
    const decoded = decodeText(bytes);
    expect(decoded.text).toBe(text);
    expect(decoded.isLossy).toBe(false);
    // ISO 8859-1 is windows-1252 in the Encoding Standard.
    expect(decoded.encoding.replace('iso-8859-1', 'windows-1252')).toBe(encoding);
  });

  test('longer texts in other encodings are recognised by their statistics', () => {
    const russian = Buffer.from(
      'cff0e8e2e5f22c20ece8f02120ddf2ee20f0f3f1f1eae8e920f2e5eaf1f2ede020eff0eee2e5f0eaf32e',
      'hex',
    );
    expect(decodeText(russian).text).toMatch(/^Привет, мир! Это русский/);
    const chinese = Buffer.from(
      'd6d0b9fac8cbc3f1b9b2bacdb9fac3fcb4f3b5c4b3c7cad0d2bbb8f6cac7c9cfbaa3a3acc1edd2bbb8f6cac7b1b1bea9a1a3',
      'hex',
    );
    expect(decodeText(chinese).text).toContain('中国人民共和国');
  });

  test('what is declared decides where the bytes allow it', () => {
    const bytes = Buffer.from('b1e2f3', 'hex');
    expect(decodeText(bytes, 'iso-8859-2').text).toBe('ąâó');
    expect(decodeText(bytes, 'windows-1251').text).toBe('±ву');
    expect(decodeText(Buffer.from('Grüße'), 'iso-8859-1').text).toBe('Grüße');
    expect(decodeText(Buffer.from('plain'), 'no-such-charset').text).toBe('plain');
  });

  test('UTF-8 with one damaged byte stays UTF-8, with the damage marked', () => {
    const bytes = Buffer.concat([Buffer.from('ж'.repeat(100)), Buffer.from([0xff]), Buffer.from('ж')]);
    expect(decodeText(bytes)).toMatchObject({ encoding: 'utf-8', isLossy: true });
  });

  test.each([
    ['zero bytes', Buffer.from('text\u0000text')],
    ['control characters', Buffer.from('\u0001\u0002\u0003\u0004 ab')],
    ['bytes of a picture', Buffer.from('ffd8ffe000104a46494600010100000100010000ffdb', 'hex')],
  ])('%s are undecodable_text', (_, bytes) => {
    expect(() => decodeText(bytes)).toThrow(/undecodable_text/);
  });
});
