import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InkPositions, type Range } from './answer-coverage.ts';
import { readLines } from './labelled-set.ts';

export interface ChunkingSet {
  documents: { name: string; text: string; positions: InkPositions }[];
  questions: { text: string; document: string; answers: Range[] }[];
}

interface QuestionLine {
  document: string;
  question: string;
  references: { start: number; end: number }[];
}

/** Reads the documents and the marked answers; the answers' ranges are in ink positions of their documents. */
export async function readChunkingSet(dataDir: string): Promise<ChunkingSet> {
  const directory = join(dataDir, 'chunking');
  const lines = await readLines<QuestionLine>(join(directory, 'questions.jsonl'));
  const names = (await readdir(directory)).filter((name) => name.endsWith('.md') && name !== 'README.md').sort();
  const documents = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(directory, name), 'utf8');
      return { name, text, positions: new InkPositions(text), codeUnitAt: codeUnitsOf(text) };
    }),
  );
  const questions = lines.map(({ document: name, question, references }) => {
    const document = documents.find((candidate) => candidate.name === name)!;
    const { positions, codeUnitAt } = document;
    const answers = references.map(({ start, end }) =>
      positions.toInk({ start: codeUnitAt[start]!, end: codeUnitAt[end]! }),
    );
    return { text: question, document: name, answers };
  });
  return { documents, questions };
}

/** The set counts code points, strings count UTF-16 code units: at each code point the unit it begins with, and the end. */
function codeUnitsOf(text: string): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const character of text) {
    starts.push(at);
    at += character.length;
  }
  return [...starts, at];
}
