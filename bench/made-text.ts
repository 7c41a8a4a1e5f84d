/** The same numbers 0..1 in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const VOCABULARY_WORDS = 30_000;
const SYLLABLES =
  'ba be bi bo da de di do fa fe ga go ka ke ki la le li lo ma me mi mo na ne ni pa pe ra re ri ro sa se si ta te ti to va vi'.split(
    ' ',
  );

/** Made words, whose frequencies fall with their rank as those of a language do (Zipf). */
export interface MadeLanguage {
  /** A frequent word most of the time. */
  word(): string;
  /** A word of about this rank, 1 for the most frequent. */
  wordOfRank(rank: number): string;
  /** Sentences of 8 to 20 words, `chars` characters or a little more. */
  text(chars: number): string;
}

export function madeLanguage(seed: number): MadeLanguage {
  const random = seededRandom(seed);
  const wordOfRank = (rank: number) => spell(Math.min(VOCABULARY_WORDS, Math.max(1, Math.floor(rank))));
  // The inverse of the cumulated 1/rank: a uniform exponent gives Zipf's law.
  const word = () => wordOfRank(VOCABULARY_WORDS ** random());
  const sentence = () => {
    const words = Array.from({ length: 8 + Math.floor(random() * 13) }, word).join(' ');
    return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
  };
  return {
    word,
    wordOfRank,
    text(chars) {
      let text = sentence();
      while (text.length < chars) text += ` ${sentence()}`;
      return text;
    },
  };
}

/** Another word for every rank; frequent ones are shorter. */
function spell(rank: number): string {
  let word = '';
  for (let rest = rank; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    word += SYLLABLES[rest % SYLLABLES.length];
  return `${word}n`;
}
