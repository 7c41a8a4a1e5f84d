import { describe, expect, test } from 'vitest';
import { buildEpub } from '../../../test/document-builders.ts';
import { codeOf, parseBytes } from '../../../test/parse-bytes.ts';

describe('EPUB', () => {
  test('chapters come in reading order after the authors; empty XHTML elements swallow nothing', async () => {
    const epub = await buildEpub(
      [
        { title: 'c1', html: '<h1>Chapter 1</h1><p>It was <a id="p1"/>dark.</p>' },
        { title: 'c2', html: '<h1>Chapter 2</h1><ul><li>a</li></ul>' },
      ],
      { title: 'The Book', authors: ['Ann Author'] },
    );
    expect(await parseBytes(epub)).toEqual({
      title: 'The Book',
      pageCount: null,
      warnings: [],
      blocks: [
        { kind: 'paragraph', text: 'Authors: Ann Author' },
        { kind: 'heading', level: 1, text: 'Chapter 1' },
        { kind: 'paragraph', text: 'It was dark.' },
        { kind: 'heading', level: 1, text: 'Chapter 2' },
        { kind: 'list_item', text: 'a' },
      ],
    });
  });

  test('copy protection fails with document_encrypted, scrambled fonts do not', async () => {
    const encryption = (method: string) =>
      `<encryption><EncryptedData><EncryptionMethod Algorithm="${method}"/></EncryptedData></encryption>`;
    const build = (method: string) =>
      buildEpub([{ title: 'c', html: '<p>x</p>' }], { parts: { 'META-INF/encryption.xml': encryption(method) } });
    expect(await codeOf(parseBytes(await build('http://www.w3.org/2001/04/xmlenc#aes128-cbc')))).toBe(
      'document_encrypted',
    );
    expect(await codeOf(parseBytes(await build('http://www.idpf.org/2008/embedding')))).toBe('no error');
  });
});
