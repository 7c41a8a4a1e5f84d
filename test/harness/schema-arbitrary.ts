import fc from 'fast-check';
import type { Json } from './contract.ts';

/** Deeper than this, only what a schema must have is made. */
const MAX_DEPTH = 4;
const MAX_ITEMS = 4;
/** So that a failure can be read. */
const MAX_SHOWN_CHARS = 500;

/** Values that fit a JSON schema of the document `root`, and all that it says: what it does not say may still be refused. */
export function fitting(schema: Json, root: Json, depth = 0): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return fitting(resolve(schema.$ref, root), root, depth);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const alternatives = Array.isArray(schema.type)
    ? schema.type.map((type: string) => ({ ...schema, type }))
    : undefined;
  const choices = schema.anyOf ?? schema.oneOf ?? alternatives;
  if (choices !== undefined) return fc.oneof(...choices.map((choice: Json) => fitting(choice, root, depth)));
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum, max: schema.maximum });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e300, max: schema.maximum ?? 1e300, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fitting(schema.items, root, depth + 1), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? MAX_ITEMS, MAX_ITEMS),
      });
    case 'object':
      return object(schema, root, depth);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function resolve(reference: string, root: Json): Json {
  return reference
    .slice(2)
    .split('/')
    .reduce((part, name) => part[name.replaceAll('~1', '/').replaceAll('~0', '~')], root);
}

function text(schema: Json): fc.Arbitrary<string> {
  const { format, pattern, minLength = 0, maxLength = 100 } = schema;
  // `maxLength` counts code points, and JavaScript twice as many units: what is made satisfies both.
  const fits = (value: string) => value.length <= maxLength && value.length >= minLength;
  if (format === 'date-time') return instant();
  if (format === 'uri') return fc.webUrl({ validSchemes: ['http', 'https'] }).filter(fits);
  if (format === 'email') return fc.emailAddress().filter(fits);
  // Of a certain length: nobody hits upon that by chance.
  if (pattern?.endsWith('}$')) return fc.stringMatching(new RegExp(pattern)).filter(fits);
  const letters = fc.oneof(
    fc.string({ minLength, maxLength: Math.min(maxLength, 60), unit: 'grapheme' }),
    fc.string({ minLength, maxLength: Math.min(maxLength, 60), unit: 'binary' }),
    fc.constantFrom('x'.repeat(Math.min(maxLength, MAX_SHOWN_CHARS)), ' ', '\u3000\t'),
  );
  return letters.filter((value) => fits(value) && (pattern === undefined || new RegExp(pattern, 'u').test(value)));
}

function instant(): fc.Arbitrary<string> {
  const min = new Date('0000-01-02T00:00:00Z');
  const max = new Date('9999-12-30T00:00:00Z');
  const zone = fc.constantFrom('Z', '+00:00', '-23:59', '+23:59', '+05:30');
  const usual = fc
    .tuple(fc.date({ min, max, noInvalidDate: true }), zone, fc.constantFrom('', '.5', '.123456789'))
    .map(([date, offset, fraction]) => `${date.toISOString().slice(0, 19)}${fraction}${offset}`);
  return fc.oneof(usual, fc.constantFrom('0000-01-01T00:00:00+23:59', '9999-12-31T23:59:59.999-23:59'));
}

function object(schema: Json, root: Json, depth: number): fc.Arbitrary<unknown> {
  const properties: Record<string, Json> = schema.properties ?? {};
  const required: string[] = schema.required ?? [];
  const shown = Object.keys(properties).filter((name) => depth < MAX_DEPTH || required.includes(name));
  const named = fc.record(Object.fromEntries(shown.map((name) => [name, fitting(properties[name], root, depth + 1)])), {
    requiredKeys: required,
  });
  if (typeof schema.additionalProperties !== 'object') return named;
  const keys = fitting({ type: 'string', ...schema.propertyNames }, root, depth + 1) as fc.Arbitrary<string>;
  const harmless = keys.filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key));
  return fc.dictionary(harmless, fitting(schema.additionalProperties, root, depth + 1), { maxKeys: 3 });
}

/** Values that sit on the edges of types, encodings and query languages. */
export const STRANGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  -0,
  2 ** 53 + 2,
  '',
  ' ',
  '\u0000',
  '\ud800',
  'x'.repeat(5_000),
  '../../etc/passwd',
  "'; DROP TABLE documents; --",
  '"quoted" NEAR( * OR',
  '{{7*7}}<%= 7 %>',
  '%00%2e',
  '\r\nx: y',
  '\u202e\u200b\ufeff',
  '1e999',
  'NaN',
  'undefined',
  '[object Object]',
  [],
  {},
  [[[[]]]],
  { a: { b: { c: null } } },
  [null],
  { $gt: '' },
  { toString: 1 },
  { length: -1 },
];

/** The value with something in it replaced, added or taken away; it may still fit. */
export function mutated(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const strange = fc.constantFrom(...STRANGE);
  return fc
    .tuple(values, fc.nat(), strange, fc.constantFrom('replace', 'add', 'remove', 'wrap'))
    .map(([value, at, odd, kind]) => mutate(structuredClone(value), at, odd, kind));
}

function mutate(value: unknown, at: number, odd: unknown, kind: string): unknown {
  if (typeof value !== 'object' || value === null) return odd;
  const places = placesIn(value as Record<string, unknown>);
  const place = places[at % (places.length + 1)];
  if (place === undefined) return kind === 'wrap' ? [value] : kind === 'add' ? { ...value, unexpected: odd } : odd;
  const [holder, key] = place;
  if (kind === 'remove') delete holder[key];
  else if (kind === 'add') holder[`${key}_`] = odd;
  else if (kind === 'wrap') holder[key] = [holder[key]];
  else holder[key] = odd;
  return value;
}

function placesIn(value: Record<string, unknown>): [Record<string, unknown>, string][] {
  return Object.keys(value).flatMap((key) => {
    const inner = value[key];
    const deeper = typeof inner === 'object' && inner !== null ? placesIn(inner as Record<string, unknown>) : [];
    return [[value, key] as [Record<string, unknown>, string], ...deeper];
  });
}
