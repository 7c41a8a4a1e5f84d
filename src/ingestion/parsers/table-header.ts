/** A plain number as spreadsheets and exports write it; a year alone may well name a column. */
const NUMBER = /^[-+]?[\d.,\s]*\d\s*%?$/;
const YEAR = /^(19|20)\d\d$/;

/**
 * Takes the first row as the names of the columns unless it looks like data: a number, or a gap before its last cell.
 * A table of one row has no header.
 */
export function splitHeader(rows: string[][]): { header: string[]; rows: string[][] } {
  const [first, ...rest] = rows;
  if (first === undefined || rest.length === 0 || !looksLikeHeader(first)) return { header: [], rows };
  return { header: first, rows: rest };
}

function looksLikeHeader(row: string[]): boolean {
  const names = row.map((cell) => cell.trim());
  return names.some((name) => name !== '') && names.every((name) => YEAR.test(name) || !NUMBER.test(name));
}
