/** What pdf.js tells of a run of text. */
export interface PdfTextItem {
  str: string;
  dir: string;
  /** Text matrix a b c d e f: direction and size in a to d, origin in e, f. Units of the page, y upwards. */
  transform: number[];
  width: number;
  height: number;
  hasEOL: boolean;
}

/** A line of text in a frame of its own writing direction: `start` to `end` along the line, `baseline` across it. */
export interface PdfLine {
  text: string;
  page: number;
  /** Font size in units of the page (1/72 inch), of most of the line. */
  size: number;
  /** Writing direction in degrees, counter-clockwise. */
  angle: number;
  start: number;
  end: number;
  /** Grows upwards. */
  baseline: number;
}

/** Ligatures and Arabic letter forms that fonts use for display; search needs the letters themselves. */
const PRESENTATION_FORMS = /[\ufb00-\ufdff\ufe70-\ufefc]/g;

/** Lines of a page in the order of its text stream, which is the reading order of nearly all producers. */
export function linesOfPage(items: PdfTextItem[], page: number): PdfLine[] {
  const lines: PdfLine[] = [];
  let current: PdfTextItem[] = [];
  const end = () => {
    const line = lineOf(current, page);
    if (line !== null) lines.push(line);
    current = [];
  };
  for (const item of items) {
    if (item.str !== '') current.push(item);
    if (item.hasEOL) end();
  }
  end();
  return lines;
}

function lineOf(items: PdfTextItem[], page: number): PdfLine | null {
  const inked = items.filter((item) => item.str.trim() !== '');
  const main = inked.toSorted((a, b) => b.str.length - a.str.length)[0];
  if (main === undefined) return null;
  const [a = 1, b = 0] = main.transform;
  const length = Math.hypot(a, b) || 1;
  const along = (item: PdfTextItem) => (item.transform[4]! * a + item.transform[5]! * b) / length;
  return {
    text: lineText(items).replace(PRESENTATION_FORMS, (form) => form.normalize('NFKC')),
    page,
    size: finite(main.height || length),
    angle: finite(Math.round((Math.atan2(b, a) * 180) / Math.PI)),
    start: finite(inked.reduce((least, item) => Math.min(least, along(item)), Number.POSITIVE_INFINITY)),
    end: finite(inked.reduce((most, item) => Math.max(most, along(item) + item.width), Number.NEGATIVE_INFINITY)),
    baseline: finite((main.transform[5]! * a - main.transform[4]! * b) / length),
  };
}

/** A broken matrix makes numbers that JSON has no form for, and lines must come out of it as they went in. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

/** The stream shows right-to-left lines from left to right, each run in logical order already: the runs are turned. */
function lineText(items: PdfTextItem[]): string {
  const inked = items.filter((item) => item.str.trim() !== '');
  const isRightToLeft = inked.filter((item) => item.dir === 'rtl').length > inked.length / 2;
  const isShownFromLeft = inked.length > 1 && inked[0]!.transform[4]! < inked.at(-1)!.transform[4]!;
  const ordered = isRightToLeft && isShownFromLeft ? items.toReversed() : items;
  return ordered.map((item) => item.str).join('');
}
