import fc from 'fast-check';
import type { Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { describe, expect, test } from 'vitest';
import { linesOf } from '../../test/attacks/lines.ts';
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

const PAYLOADS = linesOf<{ text: string }>('exfiltrations').map(({ text }) => text);

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
