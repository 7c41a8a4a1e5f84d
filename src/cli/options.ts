import { type Command, InvalidArgumentError } from 'commander';
import type { SearchFilters } from '../client/index.ts';

/** Reads an integer option within its bounds. */
export function integerIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`);
  };
}

/** Seconds as an abort signal; none when the option was not given. */
export function timeLimit(seconds: number | undefined): AbortSignal | undefined {
  return seconds === undefined ? undefined : AbortSignal.timeout(seconds * 1_000);
}

export function repeated(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

/** RFC 3339, or a date alone, which is its beginning in UTC. */
export function instant(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}(T.+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new InvalidArgumentError('It must be like 2027-01-31 or 2027-01-31T12:00:00Z.');
  return new Date(time).toISOString();
}

export function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new InvalidArgumentError('It must be a JSON object, such as \'{"year": 2027}\'.');
}

export interface SearchOptions {
  limit?: number;
  document?: string[];
  group?: string[];
  tag?: string[];
}

/** The options that `search` and `ask` have in common. */
export function addSearchOptions(command: Command): Command {
  return command
    .option('--limit <n>', 'passages to take into account, 1 to 50', integerIn(1, 50))
    .option('--document <id>', 'only this document; may be repeated', repeated)
    .option('--group <id>', 'only what is shared with this group; may be repeated', repeated)
    .option('--tag <tag>', 'only documents with this tag; may be repeated', repeated);
}

export function filtersOf({ document, group, tag }: SearchOptions): SearchFilters | undefined {
  if (document === undefined && group === undefined && tag === undefined) return undefined;
  return { document_ids: document, group_ids: group, tags: tag };
}
