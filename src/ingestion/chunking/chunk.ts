/** The document's one text, and where its structure lies in it. All offsets are UTF-16 code units. */
export interface CanonicalText {
  text: string;
  spans: BlockSpan[];
}

/**
 * A block of the parsed document as a range of the canonical text: `text.slice(start, end)` is the block. A long table is
 * several spans, each of them beginning with the caption and the column names.
 */
export interface BlockSpan {
  kind: 'heading' | 'paragraph' | 'list_item' | 'code' | 'quote' | 'table';
  start: number;
  end: number;
  /** 1 to 6, for headings only. */
  level?: number;
  page?: number;
}

/** A passage for search and citation: `text.slice(charStart, charEnd)` of the canonical text, trimmed, never empty. */
export interface Chunk {
  /** 0-based position in the document. */
  ordinal: number;
  charStart: number;
  charEnd: number;
  pageStart: number | null;
  pageEnd: number | null;
  /** Headings above the passage, outermost first. */
  headingPath: string[];
  /** Estimate of model tokens, for budgets only. */
  tokenCount: number;
}
