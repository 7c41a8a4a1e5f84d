/** What a benchmark found: for people as a table, for programs as `figures`, whose names carry their unit. */
export interface Report {
  title: string;
  header: string[];
  rows: string[][];
  figures: Record<string, number | null>;
  /** The figure that counts, in a sentence. */
  summary: string;
}

/** Three significant digits at the least: absolute figures of a shared machine mean no more. */
export function readable(value: number | null): string {
  if (value === null) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
