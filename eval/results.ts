import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const DIRECTORY = join(import.meta.dirname, 'results');

/** A metric may differ by this much from the committed one, or from what it must not fall below. */
export const TOLERANCE = 0.01;

/** The committed numbers of a run. Throws where there are none. */
export async function readResults<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(DIRECTORY, `${name}.json`), 'utf8')) as T;
}

/** Numbers are kept to four places: more would show differences that nobody can read. */
export async function writeResults(name: string, results: unknown): Promise<void> {
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' ? Math.round(value * 10_000) / 10_000 : value;
  await writeFile(join(DIRECTORY, `${name}.json`), `${JSON.stringify(results, rounded, 2)}\n`);
}

/** Sentences about the metrics of `measured` that are below those of `committed` by more than the tolerance. */
export function dropsBelow(
  committed: Readonly<Record<string, number>>,
  measured: Readonly<Record<string, number>>,
): string[] {
  return Object.entries(measured).flatMap(([metric, value]) => {
    const before = committed[metric];
    if (before === undefined || value >= before - TOLERANCE) return [];
    return [`${metric} is ${value.toFixed(4)} and was ${before.toFixed(4)}`];
  });
}
