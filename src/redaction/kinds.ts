/** Kinds of personal data and secrets that are looked for, with what stands in place of a value that is taken out. */
export const PLACEHOLDERS = {
  email: '[EMAIL]',
  phone: '[PHONE]',
  iban: '[IBAN]',
  credit_card: '[CARD]',
  ip_address: '[IP]',
  national_id: '[ID]',
  secret: '[SECRET]',
} as const;

export type PiiKind = keyof typeof PLACEHOLDERS;

export const PII_KINDS = Object.keys(PLACEHOLDERS) as PiiKind[];

/** How often each kind was found; kinds that were not are left out. Never the values. */
export type PiiCounts = Partial<Record<PiiKind, number>>;

/** A value as a range of UTF-16 code units of the text it was found in. */
export interface Finding {
  kind: PiiKind;
  start: number;
  end: number;
}

export interface Range {
  start: number;
  end: number;
}

/**
 * Finds the values of one kind. Gets the text as `foldText` makes it. Its time must be linear in the text, whatever the
 * text: every repetition in a pattern is bounded or cannot begin again within itself.
 */
export type Detector = (text: string) => Range[];
