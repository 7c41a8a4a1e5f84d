import type { Degradation } from '../client/index.ts';
import type { Output } from './output.ts';

const SENTENCES: Readonly<Record<Degradation, string>> = {
  vectors_pending: 'Some documents are found by their words only, until their vectors are made.',
  embedding_unavailable: 'The embedding model cannot be reached; passages were found by their words only.',
  chat_unavailable: 'The chat model cannot be reached; the best sentences are quoted instead.',
};

/** Says on stderr what an answer had to do without. In JSON the answer says it itself. */
export function noteDegradation(output: Output, degraded: readonly Degradation[] = []): void {
  if (output.isJson) return;
  for (const kind of degraded) output.note(`Note: ${SENTENCES[kind] ?? kind}`);
}
