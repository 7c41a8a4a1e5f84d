const LINE_BREAKS = /\r\n?|[\v\f\u0085\u2028\u2029]/g;

/**
 * Control characters, noncharacters, byte order marks, and soft hyphens: none is visible, and each would split or hide
 * a word from search. Tab and line feed stay; zero-width space and joiners stay, because scripts such as Khmer need them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
const INVISIBLE = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\ufeff\ufffe\uffff]/g;

/** Text for a block that keeps its line breaks (code, verse): one kind of line end, NFC, well-formed UTF-16. */
export function cleanLines(text: string): string {
  return text.replace(LINE_BREAKS, '\n').replace(INVISIBLE, '').toWellFormed().normalize('NFC');
}

/** Text for a block of prose: as `cleanLines`, with every run of white space made one space, and trimmed. */
export function cleanProse(text: string): string {
  return cleanLines(text).replace(/\s+/g, ' ').trim();
}

/** Code as written: blank lines around it and blanks at line ends go, indentation stays. */
export function cleanCode(text: string): string {
  const lines = cleanLines(text)
    .split('\n')
    .map((line) => line.trimEnd());
  const first = lines.findIndex((line) => line !== '');
  return first === -1 ? '' : lines.slice(first, lines.findLastIndex((line) => line !== '') + 1).join('\n');
}
