import { readFile } from 'node:fs/promises';
import { findPersonalData } from '../src/redaction/find-personal-data.ts';
import { PII_KINDS, type PiiKind } from '../src/redaction/kinds.ts';

/** How well one kind is found. A value counts as found when a finding of its kind covers all of it. */
export interface PiiQuality {
  marked: number;
  found: number;
  /** Of the findings, those that lie in a marked value; 1 where there are none. */
  precision: number;
  /** Of the marked values, those that are found; 1 where there are none. */
  recall: number;
}

export interface LabelledText {
  text: string;
  values: Value[];
}

interface Value {
  kind: PiiKind;
  start: number;
  end: number;
}

/** What others call the kinds; what they mark besides is not looked for here. */
const OTHER_NAMES: Readonly<Record<string, PiiKind>> = {
  EMAIL_ADDRESS: 'email',
  PHONE_NUMBER: 'phone',
  IBAN_CODE: 'iban',
  CREDIT_CARD: 'credit_card',
  IP_ADDRESS: 'ip_address',
  US_SSN: 'national_id',
};

/** Lines of JSON with `text` and `spans` of `start`, `end` (UTF-16 code units) and `kind`, or the `type` of another set. */
export async function readLabelled(path: string): Promise<LabelledText[]> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const { text, spans } = JSON.parse(line) as {
      text: string;
      spans: { kind?: PiiKind; type?: string; start: number; end: number }[];
    };
    const values = spans.flatMap(({ kind, type, start, end }) => {
      const known = kind ?? OTHER_NAMES[type ?? ''];
      return known === undefined ? [] : [{ kind: known, start, end }];
    });
    return { text, values };
  });
}

export function measureFindings(texts: readonly LabelledText[]): Record<PiiKind, PiiQuality> {
  const tallies = new Map(PII_KINDS.map((kind) => [kind, { marked: 0, covered: 0, found: 0, right: 0 }]));
  for (const { text, values } of texts) {
    const findings = findPersonalData(text);
    for (const value of values) {
      const tally = tallies.get(value.kind)!;
      tally.marked++;
      if (findings.some((found) => found.kind === value.kind && found.start <= value.start && found.end >= value.end)) {
        tally.covered++;
      }
    }
    for (const found of findings) {
      const tally = tallies.get(found.kind)!;
      tally.found++;
      if (values.some(({ kind, start, end }) => kind === found.kind && start < found.end && end > found.start)) {
        tally.right++;
      }
    }
  }
  const qualities = [...tallies].map(([kind, { marked, covered, found, right }]) => [
    kind,
    { marked, found, precision: found === 0 ? 1 : right / found, recall: marked === 0 ? 1 : covered / marked },
  ]);
  return Object.fromEntries(qualities);
}
