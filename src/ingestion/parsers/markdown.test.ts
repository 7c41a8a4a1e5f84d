import { describe, expect, test } from 'vitest';
import { parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';

const parse = (text: string) => parseBytes(text, { mediaType: 'text/markdown' });

describe('Markdown', () => {
  test('blocks keep what they are, marks are gone', async () => {
    const document = await parse(
      '# Title\n\nSome **bold** [link](http://x.example) and ![alt](y.png).\n\n- one\n  - two\n\n> said\n\n```js\nlet x;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n',
    );
    expect(document).toEqual({
      title: 'Title',
      pageCount: null,
      warnings: [],
      blocks: [
        { kind: 'heading', level: 1, text: 'Title' },
        { kind: 'paragraph', text: 'Some bold link and alt.' },
        { kind: 'list_item', text: 'one' },
        { kind: 'list_item', text: 'two' },
        { kind: 'quote', text: 'said' },
        { kind: 'code', text: 'let x;' },
        { kind: 'table', header: ['a', 'b'], rows: [['1', '2']] },
      ],
    });
  });

  test('front matter gives the title and stays searchable', async () => {
    const document = await parse('---\ntitle: From above\ntags: [x]\n---\n\n# Below\n');
    expect(document.title).toBe('From above');
    expect(textOfDocument(document)).toContain('tags: [x]');
  });

  test('front matter that is no YAML is text', async () => {
    const document = await parse('---\n{ : [\n---\n\ntext\n');
    expect(document.title).toBeNull();
    expect(textOfDocument(document)).toContain('text');
  });

  test('HTML counts as its text, comments as nothing', async () => {
    expect(textOfDocument(await parse('<!-- x -->\n\n<b>shown</b>\n\nin <i>line</i>\n'))).toBe('shown\nin line');
  });

  test('quotes nested without end do not overflow the stack', async () => {
    expect(textOfDocument(await parse(`${'>'.repeat(2_000)} deep`))).toBe('deep');
  });
});
