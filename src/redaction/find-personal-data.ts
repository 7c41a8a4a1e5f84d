import { findCards, findIbans } from './find-bank.ts';
import { findEmails } from './find-email.ts';
import { findIpAddresses } from './find-ip.ts';
import { findNationalIds } from './find-national-ids.ts';
import { findPhones } from './find-phones.ts';
import { findSecrets } from './find-secrets.ts';
import { foldText } from './fold-text.ts';
import type { Detector, Finding, PiiKind } from './kinds.ts';

/** In the order in which they win where two find the same characters: the more a form says, the earlier. */
const DETECTORS: readonly [PiiKind, Detector][] = [
  ['secret', findSecrets],
  ['email', findEmails],
  ['iban', findIbans],
  ['credit_card', findCards],
  ['ip_address', findIpAddresses],
  ['national_id', findNationalIds],
  ['phone', findPhones],
];

/** Every value has a digit or an at sign, or is a private key. */
const MAY_HOLD_ANY = /[@＠\p{Nd}]|PRIVATE KEY/u;
const MIN_CHARS = 6;
const MAX_CONTEXT_CHARS = 40;

/**
 * Personal data and secrets in a text, in order and apart from one another. What two kinds claim in part is one finding, of
 * the kind that says more, over all that either claims: nothing of a value stays outside. `context` is what names the text, such as
 * the column of a cell: a number there may be read as one behind that word. Linear in the text.
 */
export function findPersonalData(text: string, context = ''): Finding[] {
  if (text.length < MIN_CHARS || !MAY_HOLD_ANY.test(text)) return [];
  if (context === '') return findAll(text);
  const prefix = `${context.slice(-MAX_CONTEXT_CHARS)}: `;
  return findAll(prefix + text)
    .filter(({ end }) => end > prefix.length)
    .map(({ kind, start, end }) => ({
      kind,
      start: Math.max(0, start - prefix.length),
      end: end - prefix.length,
    }));
}

function findAll(text: string): Finding[] {
  const folded = foldText(text);
  const found = DETECTORS.flatMap(([kind, detect], rank) => detect(folded).map((range) => ({ ...range, kind, rank })));
  found.sort((a, b) => a.start - b.start || a.rank - b.rank);
  const merged: typeof found = [];
  for (const finding of found) {
    const last = merged.at(-1);
    if (last === undefined || finding.start >= last.end) {
      merged.push(finding);
    } else {
      if (finding.rank < last.rank) Object.assign(last, { kind: finding.kind, rank: finding.rank });
      last.end = Math.max(last.end, finding.end);
    }
  }
  return merged.map(({ kind, start, end }) => ({ kind, start, end }));
}
