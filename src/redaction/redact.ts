import { findPersonalData } from './find-personal-data.ts';
import { type Finding, type PiiCounts, PLACEHOLDERS } from './kinds.ts';
import type { PiiPolicy } from './policy.ts';

/** Redacts texts that belong together and counts what it found in them, under the policy. */
export interface Redactor {
  /** The text as it may be stored. `context` is what names it, such as the column of a cell. */
  text(text: string, context?: string): string;
  /** Every text in a JSON value, keys too; a key names its value. */
  json<T>(value: T): T;
  readonly counts: PiiCounts;
}

/** `off` finds nothing, `tag` counts and leaves the text as it is, `mask` puts a placeholder in the place of each value. */
export function createRedactor(policy: PiiPolicy): Redactor {
  const counts: PiiCounts = {};

  function text(value: string, context?: string): string {
    if (policy === 'off') return value;
    const findings = findPersonalData(value, context);
    for (const { kind } of findings) counts[kind] = (counts[kind] ?? 0) + 1;
    return policy === 'mask' ? withPlaceholders(value, findings) : value;
  }

  function json<T>(value: T, context?: string): T {
    if (typeof value === 'string') return text(value, context) as T;
    if (typeof value === 'number') return numberOrPlaceholder(value, context) as T;
    if (Array.isArray(value)) return value.map((item) => json(item, context)) as T;
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [text(key), json(inner, key)])) as T;
  }

  /** A card or an identity number may be written as a number. */
  function numberOrPlaceholder(value: number, context?: string): number | string {
    const written = String(value);
    const redacted = text(written, context);
    return redacted === written ? value : redacted;
  }

  return { text, json: (value) => json(value), counts };
}

function withPlaceholders(text: string, findings: readonly Finding[]): string {
  const parts: string[] = [];
  let at = 0;
  for (const { kind, start, end } of findings) {
    parts.push(text.slice(at, start), PLACEHOLDERS[kind]);
    at = end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}
