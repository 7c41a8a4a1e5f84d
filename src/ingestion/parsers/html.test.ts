import { describe, expect, test } from 'vitest';
import { codeOf, parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';

const PARAGRAPH = 'A sentence that is part of the article and goes on for some time, with commas, so it counts. ';

const html = (body: string, head = '') => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;

describe('HTML', () => {
  test('the article is taken, navigation, scripts and footers are not', async () => {
    const page = html(
      `<nav><a href="/">Home</a> <a href="/about">About us</a></nav><article><h2>Part one</h2><p>${PARAGRAPH.repeat(5)}</p><p>${PARAGRAPH.repeat(5)}</p></article><script>track()</script><footer>Imprint</footer>`,
      '<title>The page</title>',
    );
    const document = await parseBytes(page);
    expect(document.title).toBe('The page');
    expect(textOfDocument(document)).toContain('Part one');
    expect(textOfDocument(document)).not.toMatch(/About us|track|Imprint/);
  });

  test('a page without an article gives its whole body', async () => {
    const links = Array.from({ length: 50 }, (_, n) => `<li><a href="/${n}">Link ${n}</a></li>`).join('');
    const document = await parseBytes(html(`<p>Only this.</p><ul>${links}</ul><nav>Home</nav>`));
    expect(document.blocks).toHaveLength(51);
    expect(document.blocks.at(-1)).toEqual({ kind: 'list_item', text: 'Link 49' });
  });

  test('blocks keep what they are', async () => {
    const page = html(
      '<h3>H</h3><p>one<br>two</p><ul><li>a<ul><li>b</li></ul></li></ul><blockquote>q</blockquote><pre>x = 1\n  y</pre>',
    );
    expect((await parseBytes(page)).blocks).toEqual([
      { kind: 'heading', level: 3, text: 'H' },
      { kind: 'paragraph', text: 'one\ntwo' },
      { kind: 'list_item', text: 'a' },
      { kind: 'list_item', text: 'b' },
      { kind: 'quote', text: 'q' },
      { kind: 'code', text: 'x = 1\n  y' },
    ]);
  });

  test('a table has its header, its caption, and cells under their columns despite spans', async () => {
    const page = html(
      '<table><caption>Prices</caption><tr><th>Item</th><th>Small</th><th>Large</th></tr><tr><td rowspan=2>Tea</td><td>1</td><td>2</td></tr><tr><td colspan=2>3</td></tr></table>',
    );
    expect((await parseBytes(page)).blocks).toEqual([
      {
        kind: 'table',
        caption: 'Prices',
        header: ['Item', 'Small', 'Large'],
        rows: [
          ['Tea', '1', '2'],
          ['Tea', '3'],
        ],
      },
    ]);
  });

  test('hidden elements are left out, alternative texts are not', async () => {
    const page = html('<p hidden>no</p><p style="display: none">no</p><p>yes <img alt="a cat" src="x"></p>');
    expect(textOfDocument(await parseBytes(page))).toBe('yes a cat');
  });

  test('the charset of the meta element is honoured, the one of the transport goes before it', async () => {
    const page = Buffer.from(html('<p>\u00b1</p>', '<meta charset="iso-8859-2">'), 'latin1');
    expect(textOfDocument(await parseBytes(page))).toBe('ą');
    expect(textOfDocument(await parseBytes(page, { charset: 'iso-8859-1' }))).toBe('±');
  });

  test('elements nested without end are read as far as their text', async () => {
    const page = html(`${'<div>'.repeat(20_000)}deep down${'</div>'.repeat(20_000)}`);
    const document = await parseBytes(page);
    expect(textOfDocument(document)).toBe('deep down');
    expect(document.warnings).toEqual(['no_main_content_found']);
  });

  test('control characters and lone surrogates do not reach the text', async () => {
    expect(textOfDocument(await parseBytes('<html><body><p>a&#1;b&#xD800;c e\u0301</p></body></html>'))).toMatch(
      /^ab.?c é$/,
    );
  });

  test('more than 5 MB fail with document_too_large', async () => {
    expect(await codeOf(parseBytes(html('x'.repeat(6 * 1024 * 1024))))).toBe('document_too_large');
  });
});

test('a page of more nodes than fit into one call is read whole', async () => {
  const document = await parseBytes(`<html><body>${'&amp'.repeat(250_000)}</body></html>`, { mediaType: 'text/html' });
  expect(document.warnings).toEqual(['no_main_content_found']);
  expect(textOfDocument(document)).toBe('&'.repeat(250_000));
});
