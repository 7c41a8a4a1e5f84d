import { describe, expect, test } from 'vitest';
import { codeOf, parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';
import { readJson } from './json-reader.ts';

describe('JSON', () => {
  test('an array of flat objects is a table with columns as they first appear', async () => {
    const { blocks } = await parseBytes('[{"b": 1, "a": "x"}, {"a": null, "c": true, "b": [1, 2]}]');
    expect(blocks).toEqual([
      {
        kind: 'table',
        header: ['b', 'a', 'c'],
        rows: [
          ['1', 'x'],
          ['1, 2', '', 'true'],
        ],
      },
    ]);
  });

  test('anything else is paths and values, in order, tables inside with their path', async () => {
    const { blocks } = await parseBytes('{"z": 1, "10": "ten", "9": {"deep": "yes"}, "rows": [{"k": "v"}]}');
    expect(blocks).toEqual([
      { kind: 'paragraph', text: 'z: 1\n10: ten' },
      { kind: 'paragraph', text: '9.deep: yes' },
      { kind: 'table', caption: 'rows', header: ['k'], rows: [['v']] },
    ]);
  });

  test('numbers keep their digits', async () => {
    expect(textOfDocument(await parseBytes('{"id": 12345678901234567890, "price": 1.50}'))).toBe(
      'id: 12345678901234567890\nprice: 1.50',
    );
  });

  test('JSON Lines are a table, a malformed line is kept with a warning', async () => {
    const document = await parseBytes('{"a": 1}\n{"a": 2}\n{"a": ', { mediaType: 'application/x-ndjson' });
    expect(document.warnings).toEqual(['invalid_json_lines']);
    expect(textOfDocument(document)).toContain('{"a":');
    expect((await parseBytes('{"a": 1}\n{"a": 2}\n')).blocks).toEqual([
      { kind: 'table', header: ['a'], rows: [['1'], ['2']] },
    ]);
  });

  test('JSON nested without end fails with document_corrupt, without overflowing the stack', async () => {
    const deep = '['.repeat(500_000) + ']'.repeat(500_000);
    expect(await codeOf(parseBytes(deep, { mediaType: 'application/json' }))).toBe('document_corrupt');
  });

  test('a notebook gives its Markdown, its code and what the code printed', async () => {
    const notebook = {
      cells: [
        { cell_type: 'markdown', source: ['# Study\n', 'Words.'] },
        { cell_type: 'code', source: 'print(1)', outputs: [{ output_type: 'stream', text: ['1\n'] }] },
      ],
      metadata: { title: 'My study' },
      nbformat: 4,
    };
    expect(await parseBytes(JSON.stringify(notebook))).toMatchObject({
      title: 'My study',
      blocks: [
        { kind: 'heading', level: 1, text: 'Study' },
        { kind: 'paragraph', text: 'Words.' },
        { kind: 'code', text: 'print(1)' },
        { kind: 'code', text: '1' },
      ],
    });
  });
});

describe('reading JSON', () => {
  test.each(['{}', '[]', '"x"', '-1.5e+3', ' {"a":[true,false,null,{"b":"\\u00e9\\"\\\\"}]} '])(
    '%s is complete',
    (text) => {
      expect(readJson(text).state).toBe('complete');
    },
  );

  test.each(['', '{', '{"a"', '{"a":', '[1,', '"abc', '[tru', '{"a": "\\'])('%s is cut', (text) => {
    expect(readJson(text).state).toBe('cut');
  });

  test.each([
    '{]',
    '[1 2]',
    '{"a" 1}',
    '{1:2}',
    '[,]',
    '[1,]',
    '{"a":1,}',
    '[01]',
    'nul]',
    '{"a":1} x',
    '["\\x"]',
    "['a']",
  ])('%s is invalid', (text) => {
    expect(readJson(text).state).toBe('invalid');
  });
});
