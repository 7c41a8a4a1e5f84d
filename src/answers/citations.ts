import { unitEnd } from './answer-units.ts';
import { MARKER_GROUP, numbersIn, withoutMarkers } from './citation-markers.ts';
import { contentWords } from './content-words.ts';
import type { Citation, Passage } from './passage.ts';
import { indexSentences, type PassageSentences, sharedWeight } from './passage-sentences.ts';
import { findVerbatim, lastQuotation } from './quotations.ts';
import { breakSyntax, sanitizeAnswer, sanitizeUncited } from './sanitize.ts';

export interface CitationOptions {
  /** Addresses that may stay in the answer; see `sanitizeAnswer`. */
  allowedUrls?: ReadonlySet<string>;
}

export interface VerifiedAnswer {
  answer: string;
  /** In order of first appearance; a number comes once for each of its quotes. */
  citations: Citation[];
  /** How many numbers were taken out of the answer because nothing supports them. */
  dropped: number;
}

/**
 * What remains of a model's answer when it is checked against its passages. Numbers are those of the passages and never
 * renumbered, so that a stream and the list of results agree. Every `[n]` that is left is a citation whose quote is
 * verbatim text of passage n: what the model quoted next to it, or else the sentence that shares most with what it says.
 * Numbers of no passage, quotations that are not in the passage and claims that share no content word with it are dropped.
 */
export function verifyCitations(
  text: string,
  passages: readonly Passage[],
  options: CitationOptions = {},
): VerifiedAnswer {
  const stream = new CitationStream(passages, options);
  const answer = stream.push(text) + stream.end();
  return { answer: answer.trim(), citations: [...stream.citations], dropped: stream.dropped };
}

// Private-use characters stand for the brackets of verified markers while all others are taken out.
const VERIFIED_OPEN = '\ue000';
const VERIFIED_CLOSE = '\ue001';

/** `verifyCitations` for text that arrives in pieces: the same result however the text is cut. */
export class CitationStream {
  readonly #passages: ReadonlyMap<number, Passage>;
  readonly #sentences: PassageSentences;
  readonly #allowedUrls: ReadonlySet<string> | undefined;
  readonly #citations: Citation[] = [];
  #dropped = 0;
  #pending = '';
  /** The last unit that says something. */
  #claim = '';

  constructor(passages: readonly Passage[], options: CitationOptions = {}) {
    this.#passages = new Map(passages.map((passage) => [passage.number, passage]));
    this.#sentences = indexSentences(passages);
    this.#allowedUrls = options.allowedUrls;
  }

  /** Citations of what was given out so far. */
  get citations(): readonly Citation[] {
    return this.#citations;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Takes the next piece of the model's text and gives out what is verified: whole sentences, possibly none. */
  push(delta: string): string {
    this.#pending += delta;
    return this.#takeUnits(false);
  }

  /** Gives out the rest. The stream takes no more text afterwards. */
  end(): string {
    return this.#takeUnits(true);
  }

  #takeUnits(isWhole: boolean): string {
    let verified = '';
    for (let end = unitEnd(this.#pending, isWhole); end !== null; end = unitEnd(this.#pending, isWhole)) {
      verified += this.#verifyUnit(this.#pending.slice(0, end));
      this.#pending = this.#pending.slice(end);
    }
    return verified;
  }

  #verifyUnit(unit: string): string {
    const clean = sanitizeAnswer(unit.replace(/[\ue000\ue001]/g, ''), this.#allowedUrls);
    const wholeClaim = withoutMarkers(clean);
    // A marker alone on its line, or behind "Yes.", is about what stands before.
    if (contentWords(wholeClaim).size > 0) this.#claim = wholeClaim;
    let claimStart = 0;
    const marked = clean.replace(MARKER_GROUP, (group, at: number) => {
      const claim = clean.slice(claimStart, at);
      claimStart = at + group.length;
      return this.#verifyGroup(group, lastQuotation(claim) === null ? [claim, this.#claim] : [claim]);
    });
    return this.#finish(marked);
  }

  #verifyGroup(group: string, claims: readonly string[]): string {
    const verified = numbersIn(group).filter((number) => {
      const quote = claims.map((claim) => this.#evidenceFor(claim, number)).find((found) => found !== null);
      if (quote === undefined) this.#dropped++;
      else this.#addCitation(number, quote);
      return quote !== undefined;
    });
    if (verified.length === 0) return '';
    const space = /^[ \t]*/.exec(group)![0];
    return space + verified.map((number) => `${VERIFIED_OPEN}${number}${VERIFIED_CLOSE}`).join('');
  }

  #evidenceFor(claim: string, number: number): string | null {
    const passage = this.#passages.get(number);
    if (passage === undefined) return null;
    const quotation = lastQuotation(claim);
    if (quotation !== null) return findVerbatim(passage.text, quotation);
    const words = contentWords(claim);
    let best: string | null = null;
    let bestWeight = 0;
    for (const sentence of this.#sentences.of(number)) {
      const shared = sharedWeight(this.#sentences, words, sentence.words);
      // A heading is evidence only where no sentence is.
      const weight = sentence.isLeadIn ? shared / 1_000 : shared;
      if (weight <= bestWeight) continue;
      best = sentence.text;
      bestWeight = weight;
    }
    return best;
  }

  #addCitation(number: number, quote: string): void {
    if (this.#citations.some((known) => known.number === number && known.quote === quote)) return;
    this.#citations.push({ number, quote });
  }

  /** Taking a marker out may have joined the halves of another, or of an address. */
  #finish(marked: string): string {
    const uncited = sanitizeUncited(marked, this.#allowedUrls);
    const restored = uncited.replaceAll(VERIFIED_OPEN, '[').replaceAll(VERIFIED_CLOSE, ']');
    return breakSyntax(restored);
  }
}
