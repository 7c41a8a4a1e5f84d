import { describe, expect, test } from 'vitest';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';

describe('plain text', () => {
  test('blank lines part paragraphs, other line breaks stay', async () => {
    expect((await parseBytes('One\n  two  \r\n\r\n \r\nThree\u0007.\n')).blocks).toEqual([
      { kind: 'paragraph', text: 'One\ntwo' },
      { kind: 'paragraph', text: 'Three.' },
    ]);
  });

  test('white space fails with empty_file, binary data with undecodable_text', async () => {
    expect(await codeOf(parseBytes(' \n ', { mediaType: 'text/plain' }))).toBe('empty_file');
    expect(await codeOf(parseBytes('a\u0000b', { mediaType: 'text/plain' }))).toBe('undecodable_text');
  });

  test('an unknown media type fails with unsupported_media_type', async () => {
    expect(await codeOf(parseBytes('x', { mediaType: 'image/png' }))).toBe('unsupported_media_type');
  });
});
