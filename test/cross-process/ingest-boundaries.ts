/** A moment of an ingestion, named by a batch that is written then. */
export interface Boundary {
  name: string;
  /** Source of a regular expression: of a statement of the batch. */
  pattern: string;
  when: 'before' | 'after';
  /** Only when no page is left to be read. */
  isLastPart?: boolean;
  /** One of the few that are tried in every run of the tests. */
  isUsual?: boolean;
}

const PART_STORED = 'UPDATE document_parts SET reader';

/** Where a worker may die while it makes a document of a long PDF. */
export const BOUNDARIES: readonly Boundary[] = [
  { name: 'after the pages were shared out', pattern: 'INSERT INTO document_parts', when: 'after' },
  { name: 'after a range was read', pattern: PART_STORED, when: 'after', isUsual: true },
  { name: 'before a range is stored', pattern: PART_STORED, when: 'before' },
  {
    name: 'between the last range and the assembly',
    pattern: PART_STORED,
    when: 'after',
    isLastPart: true,
    isUsual: true,
  },
  { name: 'between the assembly and its write', pattern: 'parsed_at =', when: 'before' },
  { name: 'after the assembly', pattern: 'parsed_at =', when: 'after' },
  { name: 'after some chunks', pattern: 'INSERT INTO chunks', when: 'after' },
  { name: 'between chunk and index', pattern: 'chunked_at =', when: 'after' },
  { name: 'after some words', pattern: 'INSERT INTO chunk_words', when: 'after' },
  { name: 'between index and embed', pattern: 'indexed_at =', when: 'after', isUsual: true },
  { name: 'after some vectors', pattern: 'INSERT INTO chunk_vectors', when: 'after' },
  { name: 'after the last vector', pattern: 'embedded_at =', when: 'after' },
];
