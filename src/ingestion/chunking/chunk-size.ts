/**
 * Sizes in UTF-16 code units. Keyword search on marked answer texts is at its best between 800 and 1,200 characters with
 * one sentence of overlap: the share of the answer inside 4,000 characters of context was .917 and .924 there, .885 at 400
 * and .822 at 3,200.
 */
export const TARGET_CHUNK_CHARS = 1_000;
export const MAX_CHUNK_CHARS = 1_200;
/** Only a sentence, or a heading with what it stands above, may make a chunk longer than the maximum, and never than this. */
export const HARD_MAX_CHUNK_CHARS = 1_600;
/** Sections below this are merged with their neighbours under the same parent. */
export const SMALL_SECTION_CHARS = 400;
/** What is below this never stands alone in front of a section, however large: mostly a heading above its subheadings. */
export const TINY_SECTION_CHARS = 200;
/** A longer sentence is not repeated in the next chunk. */
export const MAX_OVERLAP_CHARS = 400;
/** A longer "heading" is text that was styled as one. */
export const MAX_HEADING_CHARS = 300;
