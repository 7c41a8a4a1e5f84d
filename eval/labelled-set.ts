import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const SET_NAMES = ['cranfield', 'cisi', 'xquad-en', 'xquad-th'] as const;
export type SetName = (typeof SET_NAMES)[number];

export interface LabelledSet {
  /** Without those whose text is blank: there is nothing in them to find, and an upload of one is refused. */
  documents: { id: string; title: string; text: string }[];
  queries: LabelledQuery[];
}

export interface LabelledQuery {
  text: string;
  /** Grade by document id, above 0. A document that is not listed is not relevant. */
  grades: ReadonlyMap<string, number>;
}

/** Reads `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` of a set. Queries without a relevant document are left out. */
export async function readLabelledSet(dataDir: string, name: SetName): Promise<LabelledSet> {
  const directory = join(dataDir, name);
  const documents = await readLines<LabelledSet['documents'][number]>(join(directory, 'corpus.jsonl'));
  const queries = await readLines<{ id: string; text: string }>(join(directory, 'queries.jsonl'));
  const grades = await readGrades(join(directory, 'qrels.tsv'));
  return {
    documents: documents.filter((document) => document.text.trim() !== ''),
    queries: queries.flatMap(({ id, text }) => {
      const relevant = grades.get(id);
      return relevant === undefined ? [] : [{ text, grades: relevant }];
    }),
  };
}

export async function readLines<T>(path: string): Promise<T[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function readGrades(path: string): Promise<Map<string, Map<string, number>>> {
  const [, ...lines] = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  const grades = new Map<string, Map<string, number>>();
  for (const line of lines) {
    const [query, document, grade] = line.split('\t');
    if (Number(grade) <= 0) continue;
    const ofQuery = grades.get(query!) ?? new Map<string, number>();
    grades.set(query!, ofQuery.set(document!, Number(grade)));
  }
  return grades;
}
