import { parentPort } from 'node:worker_threads';
import type { EncodeReply, EncodeRequest } from '../../src/providers/encoder-pool.ts';

/**
 * Stands in for the thread of the packaged encoder. Each text is answered with its length and the number of the request
 * within the thread. The text `crash` throws in the thread, `exit` ends it, `fail` makes the model fail.
 */
let requests = 0;

parentPort?.on('message', ({ texts }: EncodeRequest) => {
  requests++;
  if (texts.includes('crash')) throw new Error('crashed on purpose');
  if (texts.includes('exit')) process.exit(3);
  parentPort?.postMessage(answer(texts));
});

function answer(texts: string[]): EncodeReply {
  if (texts.includes('fail')) return { failed: 'failed on purpose' };
  return { vectors: texts.map((text) => Float32Array.of(text.length, requests)) };
}
