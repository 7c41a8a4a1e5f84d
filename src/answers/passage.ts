/** A passage that an answer may draw on: the text of a chunk as it was found, and the number it is cited by. */
export interface Passage {
  /** From 1; unique among the passages of an answer. */
  number: number;
  chunkId: string;
  /** Canonical text of the chunk; quotes are slices of it. */
  text: string;
  /** Relevance, higher is better; compared within one answer only. */
  score: number;
}

/** A place of the answer text, `[number]`, with the evidence for what stands there. */
export interface Citation {
  /** The number of the passage, the same in the answer and in the list of results. */
  number: number;
  /** Verbatim text of the passage. */
  quote: string;
}
