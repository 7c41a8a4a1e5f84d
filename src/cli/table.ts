import { printableLine } from './printable.ts';

/** Columns under their heads, two spaces apart. Texts are made printable here. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [heads, ...rows.map((row) => row.map((cell) => printableLine(cell === null ? '–' : String(cell))))];
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `name: value` lines, the values under each other. */
export function fields(values: Readonly<Record<string, string | number | null>>): string {
  const width = Math.max(...Object.keys(values).map((name) => name.length)) + 2;
  return Object.entries(values)
    .map(([name, value]) => `${`${name}:`.padEnd(width)}${value === null ? '–' : printableLine(String(value))}`)
    .join('\n');
}
