import { describe, expect, test } from 'vitest';
import { descendants, parseXml, readXml, textOf } from './xml.ts';

const nested = (depth: number) => Buffer.from(`${'<a>'.repeat(depth)}x${'</a>'.repeat(depth)}`);

describe('XML', () => {
  test('elements have local names, relationship ids stay apart from plain ones', () => {
    const root = parseXml(
      Buffer.from(
        '<p:x xmlns:p="urn:p" xmlns:r="http://any/relationships"><p:y id="1" r:id="2"/>t<![CDATA[<c>]]></p:x>',
      ),
    );
    expect(root.name).toBe('x');
    expect(descendants(root, 'y')[0]?.attributes).toEqual({ id: '1', 'r:id': '2' });
    expect(textOf(root)).toBe('t<c>');
  });

  test('UTF-16 with a mark is read', () => {
    expect(textOf(parseXml(Buffer.from('\ufeff<a>ü</a>', 'utf16le')))).toBe('ü');
  });

  test('characters that chunks cut in two are read', async () => {
    const bytes = Buffer.from('<a>ü€</a>');
    const chunks = (async function* () {
      for (const byte of bytes) yield Buffer.from([byte]);
    })();
    let text = '';
    await readXml(chunks, {
      text: (piece) => {
        text += piece;
      },
    });
    expect(text).toBe('ü€');
  });

  test('nesting beyond the cap is document_corrupt', () => {
    expect(textOf(parseXml(nested(256)))).toBe('x');
    expect(() => parseXml(nested(257))).toThrow(/document_corrupt.*nested/);
  });

  test.each([
    ['a document type', '<!DOCTYPE a><a/>'],
    ['an entity of its own', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
    ['an unknown entity', '<a>&b;</a>'],
    ['an open element', '<a>'],
    ['an unbound prefix', '<p:a/>'],
    ['nothing', ''],
  ])('%s is document_corrupt', (_, xml) => {
    expect(() => parseXml(Buffer.from(xml))).toThrow(/document_corrupt/);
  });
});
