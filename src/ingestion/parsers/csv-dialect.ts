export interface CsvDialect {
  delimiter: string;
  /** Fields of the usual record. */
  columns: number;
  /** Share of the records that have that number of fields, 0 to 1. */
  consistency: number;
  /** Records looked at. */
  records: number;
}

const DELIMITERS = [',', ';', '\t', '|'] as const;

/** Enough records to tell, few enough to be quick. */
const SAMPLE_CHARS = 64 * 1024;
const SAMPLE_RECORDS = 200;

/**
 * The delimiter that parts the records of a text into the same number of fields most often, more fields before fewer. Null
 * if none parts any. A last record that the sample cuts off does not count.
 */
export function sniffCsvDialect(text: string): CsvDialect | null {
  const sample = text.slice(0, SAMPLE_CHARS);
  const dialects = DELIMITERS.map((delimiter) => measure(sample, delimiter, sample.length === text.length))
    .filter((dialect) => dialect.columns > 1)
    .sort((a, b) => b.consistency - a.consistency || b.columns - a.columns);
  return dialects[0] ?? null;
}

function measure(sample: string, delimiter: string, isWhole: boolean): CsvDialect {
  const counts = fieldCounts(sample, delimiter, isWhole);
  const frequency = new Map<number, number>();
  for (const count of counts) frequency.set(count, (frequency.get(count) ?? 0) + 1);
  const [columns, times] = [...frequency].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [0, 0];
  return { delimiter, columns, consistency: counts.length === 0 ? 0 : times / counts.length, records: counts.length };
}

/** Fields of each record that is not blank; delimiters and line ends inside quotes do not count. */
function fieldCounts(sample: string, delimiter: string, isWhole: boolean): number[] {
  const counts: number[] = [];
  let fields = 1;
  let isQuoted = false;
  let isFieldStart = true;
  let isBlank = true;
  const endRecord = () => {
    if (!isBlank) counts.push(fields);
    fields = 1;
    isBlank = true;
    isFieldStart = true;
  };
  for (const char of sample) {
    if (isQuoted) {
      if (char === '"') isQuoted = false;
    } else if (char === '"' && isFieldStart) {
      isQuoted = true;
      isBlank = false;
    } else if (char === '\n') {
      endRecord();
      if (counts.length === SAMPLE_RECORDS) return counts;
    } else if (char === delimiter) {
      fields++;
      isFieldStart = true;
      isBlank = false;
    } else if (char !== '\r' && char !== ' ') {
      isFieldStart = false;
      isBlank = false;
    }
  }
  if (isWhole || counts.length === 0) endRecord();
  return counts;
}
