/** Shorter quoted strings are names, titles and words held at arm's length, not quotations. */
const MIN_QUOTATION_CHARS = 20;

const QUOTED = /"([^"]+)"|“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|「([^「」]+)」|『([^『』]+)』/g;

/** The last quotation in a text, without its marks and the punctuation before the closing one; null when it has none. */
export function lastQuotation(text: string): string | null {
  const quotations = [...text.matchAll(QUOTED)]
    .map((match) => match.slice(1).find((group) => group !== undefined)!)
    .map((quotation) => quotation.trim().replace(/[.,;:!?…。、！？]+$/, ''))
    .filter((quotation) => quotation.length >= MIN_QUOTATION_CHARS);
  return quotations.at(-1) ?? null;
}

/** Where `quotation` stands in `text` but for white space and the form of quotation marks and dashes: the text there. */
export function findVerbatim(text: string, quotation: string): string | null {
  const { normal, offsets } = normalise(text);
  const wanted = normalise(quotation).normal.trim();
  const at = wanted === '' ? -1 : normal.indexOf(wanted);
  return at < 0 ? null : text.slice(offsets[at], offsets[at + wanted.length - 1]! + 1);
}

/** `offsets[i]` is where the i-th code unit of `normal` stands in `text`. */
function normalise(text: string): { normal: string; offsets: number[] } {
  let normal = '';
  const offsets: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = PLAIN_FORMS.get(text[i]!) ?? text[i]!;
    const isBlank = /\s/.test(char);
    if (isBlank && normal.endsWith(' ')) continue;
    normal += isBlank ? ' ' : char;
    offsets.push(i);
  }
  return { normal, offsets };
}

const PLAIN_FORMS = new Map(
  Object.entries({ "'": '’‘‚`´', '"': '“”„«»', '-': '‐‑‒–—−' }).flatMap(([plain, forms]) =>
    [...forms].map((form) => [form, plain] as const),
  ),
);
