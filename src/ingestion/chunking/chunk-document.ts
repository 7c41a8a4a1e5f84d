import type { CanonicalText, Chunk } from './chunk.ts';
import { HARD_MAX_CHUNK_CHARS, MAX_CHUNK_CHARS, MAX_OVERLAP_CHARS, TARGET_CHUNK_CHARS } from './chunk-size.ts';
import { groupSections, type Heading, type SectionUnit } from './sections.ts';

/** Stored with each document; raise it when the same text would give other chunks, so that it can be re-ingested. */
export const CHUNKER_VERSION = 'structure-1';

/** How far from its ideal length a chunk may end to end with a block: reaches from the target to 800 and 1,200. */
const BLOCK_END_BONUS_CHARS = 200;

/**
 * Cuts a document into passages: at headings first, then on sentence ends at 800 to 1,200 characters, with one sentence of
 * overlap inside a section. Every non-blank character of the text is in a chunk, no chunk is longer than 1,600 characters,
 * and the same text always gives the same chunks. Takes linear time; an empty text gives `[]`.
 */
export function chunkDocument(canonical: CanonicalText): Chunk[] {
  return groupSections(canonical)
    .flatMap(packUnits)
    .map((units, ordinal) => toChunk(canonical.text, units, ordinal));
}

function packUnits(units: readonly SectionUnit[]): SectionUnit[][] {
  const packed: SectionUnit[][] = [];
  let first = 0;
  let firstNew = 0;
  while (firstNew < units.length) {
    const last = lastUnitOfChunk(units, first, firstNew);
    packed.push(units.slice(first, last + 1));
    first = startOfNext(units, first, last);
    firstNew = last + 1;
  }
  return packed;
}

/** The unit from `firstNew` on with which a chunk beginning at `first` had best end. */
function lastUnitOfChunk(units: readonly SectionUnit[], first: number, firstNew: number): number {
  const { start } = units[first]!;
  const rest = units.at(-1)!.end - start;
  if (rest <= MAX_CHUNK_CHARS) return units.length - 1;
  // The last two chunks of a section share what is left, so that none ends up as a crumb.
  const target = Math.min(TARGET_CHUNK_CHARS, rest / 2);
  let best = firstNew;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let last = firstNew; last < units.length; last++) {
    const { kind, end, endsBlock } = units[last]!;
    if (end - start > MAX_CHUNK_CHARS) break;
    const cost = Math.abs(end - start - target) - (endsBlock ? BLOCK_END_BONUS_CHARS : 0);
    if (kind === 'heading' || cost >= bestCost) continue;
    best = last;
    bestCost = cost;
  }
  return withTextUnderHeading(units, start, best);
}

function withTextUnderHeading(units: readonly SectionUnit[], start: number, last: number): number {
  let end = last;
  while (units[end]!.kind === 'heading' && end + 1 < units.length) {
    if (units[end + 1]!.end - start > HARD_MAX_CHUNK_CHARS) break;
    end++;
  }
  return end;
}

function startOfNext(units: readonly SectionUnit[], first: number, last: number): number {
  const sentence = units[last]!;
  const next = units[last + 1];
  const canRepeat =
    last > first &&
    sentence.kind === 'sentence' &&
    next?.kind === 'sentence' &&
    sentence.end - sentence.start <= MAX_OVERLAP_CHARS &&
    next.end - sentence.start <= MAX_CHUNK_CHARS;
  return canRepeat ? last : last + 1;
}

function toChunk(text: string, units: readonly SectionUnit[], ordinal: number): Chunk {
  const charStart = units[0]!.start;
  const charEnd = units.at(-1)!.end;
  const pages = units.map((unit) => unit.page).filter((page) => page !== null);
  return {
    ordinal,
    charStart,
    charEnd,
    pageStart: pages.length > 0 ? Math.min(...pages) : null,
    pageEnd: pages.length > 0 ? Math.max(...pages) : null,
    headingPath: commonPath(units).map((heading) => heading.text),
    tokenCount: estimateTokens(text.slice(charStart, charEnd)),
  };
}

/** What stands above all of the text; headings without text of their own say nothing about it. */
function commonPath(units: readonly SectionUnit[]): readonly Heading[] {
  const body = units.filter((unit) => unit.kind !== 'heading');
  const [first, ...others] = (body.length > 0 ? body : units).map((unit) => unit.path);
  return first!.filter((heading, depth) => others.every((path) => path[depth] === heading));
}

/** Four bytes of UTF-8 a token: right for English, and within a factor of two for Thai, Chinese and Japanese. */
function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4);
}
