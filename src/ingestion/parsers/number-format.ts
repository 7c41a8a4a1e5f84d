/** How Excel shows a number; `elapsed` is a time that runs beyond a day, as `[h]:mm`. */
export type NumberKind = 'number' | 'percent' | 'date' | 'time' | 'datetime' | 'elapsed';

/** Built-in formats of ECMA-376 part 1, §18.8.30, with the East Asian date formats that Excel adds. */
const BUILT_IN: ReadonlyMap<number, NumberKind> = new Map<number, NumberKind>([
  ...[9, 10].map((id) => [id, 'percent'] as const),
  ...[14, 15, 16, 17, 27, 28, 29, 30, 31, 34, 35, 36, 50, 51, 52, 53, 54, 57, 58].map((id) => [id, 'date'] as const),
  ...[18, 19, 20, 21, 32, 33, 45, 47, 55, 56].map((id) => [id, 'time'] as const),
  [22, 'datetime'],
  [46, 'elapsed'],
]);

const DAY_MS = 86_400_000;
const SECONDS_PER_DAY = 86_400;

export function builtInKind(formatId: number): NumberKind {
  return BUILT_IN.get(formatId) ?? 'number';
}

/** The kind of a custom format code such as `[$-407]d. mmmm yyyy;@`. */
export function kindOfFormat(code: string): NumberKind {
  const positive = code.split(';')[0] ?? '';
  if (/\[(h+|m+|s+)\]/i.test(positive)) return 'elapsed';
  const bare = positive.replace(/"[^"]*"|\\.|_.|\*.|\[[^\]]*\]/g, '').replace(/general/gi, '');
  if (bare.includes('%')) return 'percent';
  const hasDate = /[yde]/i.test(bare) || (/m/i.test(bare) && !/[hs]/i.test(bare));
  const hasTime = /[hs]/i.test(bare);
  if (hasDate) return hasTime ? 'datetime' : 'date';
  return hasTime ? 'time' : 'number';
}

/**
 * A stored number as text: dates as `2024-03-01`, times as `13:05:00`, numbers without the digits beyond the fifteenth that
 * binary fractions add. `raw` is returned as it is if it is no number.
 */
export function formatNumber(raw: string, kind: NumberKind, isEpoch1904: boolean): string {
  const value = Number(raw);
  if (raw.trim() === '' || !Number.isFinite(value)) return raw;
  switch (kind) {
    case 'number':
      return shortest(value);
    case 'percent':
      return `${shortest(value * 100)}%`;
    case 'elapsed':
      return clock(Math.round(value * SECONDS_PER_DAY));
    case 'time':
      return clock(Math.round((value - Math.floor(value)) * SECONDS_PER_DAY));
    default:
      return calendar(value, kind, isEpoch1904) ?? raw;
  }
}

function calendar(serial: number, kind: 'date' | 'datetime', isEpoch1904: boolean): string | null {
  // Excel counts a 29 February 1900 that never was; days before it are one off.
  const days = isEpoch1904 ? serial + 1462 : serial < 60 ? serial + 1 : serial;
  const date = new Date(Math.round(((days - 25_569) * DAY_MS) / 1000) * 1000);
  if (Number.isNaN(date.getTime())) return null;
  const iso = date.toISOString();
  return kind === 'date' ? iso.slice(0, 10) : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
}

function clock(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

function shortest(value: number): string {
  return String(Number(value.toPrecision(15)));
}
