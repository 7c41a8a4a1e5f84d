import { z } from 'zod';

/** Shared pieces of request and response schemas. */
export const Timestamp = z.iso.datetime().meta({ description: 'RFC 3339 in UTC with milliseconds' });
export const Id = z.string().min(1).max(200);
/** Text with something in it; blanks around it are cut off. The pattern is for the document: `trim` has no word there. */
export function NonBlank(maxChars: number) {
  return z.string().trim().min(1).max(maxChars).meta({ pattern: '\\S' });
}

/** The name of something, as `NonBlank`. SQLite takes NUL for the end of a text where it counts or compares. */
export function Label(maxChars: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxChars)
    .refine((text) => !text.includes('\0'), 'must have no NUL character')
    .meta({ pattern: '^[^\\0]*[^\\s\\0][^\\0]*$' });
}

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(1_000).optional(),
});

/** A time the caller gives, as milliseconds. */
export const InstantInput = z.iso.datetime({ offset: true });

/** What RFC 3339 can write in UTC; with an offset it can name instants a little beyond. */
const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

export function instantToMs(text: string): number {
  return Math.min(Math.max(Date.parse(text), FIRST_MS), LAST_MS);
}

/** Null stays null ("never"), absent stays absent ("as it is"). */
export function optionalInstantToMs(text: string | null | undefined): number | null | undefined {
  return typeof text === 'string' ? instantToMs(text) : text;
}

/** Bounds what is read at all; whether it is an address is decided behind. */
export const EmailInput = z.string().min(1).max(1_024).meta({ format: 'email' });
/** A one-time token from a link or mail. */
export const TokenInput = z.string().min(1).max(1_024);

/** One page of a list: one row more than the limit is read to know whether there is a next page. */
export function pageOf<T, R>(rows: readonly T[], limit: number, toItem: (row: T) => R, cursorOf: (row: T) => string) {
  const shown = rows.slice(0, limit);
  return {
    items: shown.map(toItem),
    next_cursor: rows.length > limit ? cursorOf(shown.at(-1)!) : null,
  };
}

export function ListOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() });
}
