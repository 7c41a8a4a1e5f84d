/** The parser's time grows faster than the text where lists are many: 300 KB took 16 s whole and 3.5 s in such pieces. */
const PIECE_CHARS = 16 * 1024;

const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** A line that ends whatever block was open if a blank line goes before it: no blank, marker, or table in front. */
const FRESH_START = /^[^\s>|*+\-\d]/;

/** `[name]: target`, but no foot note. */
const DEFINITION = /^ {0,3}\[(?!\^)[^\]\n]+\]:\s*\S.*$/;

/**
 * Cuts a Markdown text into pieces that mean the same when parsed one by one: between blocks, outside of fenced code, each
 * with the link definitions of the whole text. Texts of one piece come back as they are.
 */
export function splitMarkdown(text: string): string[] {
  if (text.length <= PIECE_CHARS) return [text];
  const lines = text.split('\n');
  const pieces: string[][] = [[]];
  let pieceChars = 0;
  let fence: string | null = null;
  let isAfterBlank = false;
  for (const line of lines) {
    if (pieceChars >= PIECE_CHARS && fence === null && isAfterBlank && FRESH_START.test(line)) {
      pieces.push([]);
      pieceChars = 0;
    }
    fence = fenceAfter(line, fence);
    isAfterBlank = line.trim() === '';
    pieceChars += line.length + 1;
    pieces.at(-1)!.push(line);
  }
  const definitions = lines.filter((line) => DEFINITION.test(line)).join('\n');
  return pieces.map((piece) => `${piece.join('\n')}\n\n${definitions}`);
}

/** The fence that is open after a line: a longer or equal run of the same sign closes it. */
function fenceAfter(line: string, open: string | null): string | null {
  const run = FENCE.exec(line)?.[1] ?? null;
  if (open === null || run === null) return open ?? run;
  return run[0] === open[0] && run.length >= open.length && line.trim() === run ? null : open;
}
