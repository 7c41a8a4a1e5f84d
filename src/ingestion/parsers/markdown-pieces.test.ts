import { describe, expect, test } from 'vitest';
import { parseBytes, textOfDocument } from '../../../test/parse-bytes.ts';
import { splitMarkdown } from './markdown-pieces.ts';

describe('cutting Markdown', () => {
  test('a short text is one piece, as it is', () => {
    expect(splitMarkdown('# a\n\n[x]: y\n')).toEqual(['# a\n\n[x]: y\n']);
  });

  test('a long text is cut between blocks only, never within code or lists', () => {
    const section = `# Part\n\n${'Words of a line.\n'.repeat(500)}\n\`\`\`\ncode\n\n${'More code\n\n'.repeat(3000)}\`\`\`\n\n- a\n\n  b\n\n- c\n\n`;
    const pieces = splitMarkdown(section.repeat(4));
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces) expect(piece.startsWith('# Part')).toBe(true);
  });

  test('links keep their definitions in every piece', async () => {
    const text = `${'Some words to fill the piece.\n\n'.repeat(3000)}See [the end][end].\n\n${'More of them here.\n\n'.repeat(3000)}[end]: http://x.example\n`;
    expect(splitMarkdown(text).length).toBeGreaterThan(3);
    expect(textOfDocument(await parseBytes(text, { mediaType: 'text/markdown' }))).toContain('See the end.');
  });
});
