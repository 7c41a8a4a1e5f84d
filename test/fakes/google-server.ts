import type { ServerResponse } from 'node:http';
import { type Fault, inPieces, type ModelServer, sendJson, sendStream, startModelServer } from './model-server.ts';
import { wordVector } from './word-vectors.ts';

export interface FakeGoogle extends ModelServer {
  /** Base URL as `EMBEDDING_URL` and `CHAT_URL` take it. */
  url: string;
}

interface EmbedBody {
  content: { parts: { text: string }[] };
  outputDimensionality?: number;
}

/** Speaks the embedding and content methods of the Gemini API, enough for the adapters, on loopback. */
export async function startFakeGoogle(options: { answer: string; dimensions?: number }): Promise<FakeGoogle> {
  const { answer, dimensions = 64 } = options;
  const embedding = (body: EmbedBody) => ({
    values: wordVector(body.content.parts.map((part) => part.text).join(''), body.outputDimensionality ?? dimensions),
  });
  const server = await startModelServer((request, response, fault) => {
    const method = request.path.split('?', 1)[0]?.split(':').at(-1);
    switch (method) {
      case 'embedContent':
        return sendJson(response, { embedding: embedding(request.body) });
      case 'batchEmbedContents':
        return sendJson(response, { embeddings: spoil(request.body.requests.map(embedding), fault) });
      case 'generateContent':
        return sendJson(response, content(answer, 'STOP'));
      case 'streamGenerateContent':
        return streamContent(response, answer, fault);
      default:
        response.statusCode = 404;
        return sendJson(response, { error: { code: 404, message: 'no such method', status: 'NOT_FOUND' } });
    }
  });
  return { ...server, url: `${server.origin}/v1beta` };
}

function spoil<Row>(rows: Row[], fault: Fault | undefined): Row[] {
  return fault?.kind === 'wrong_count' ? rows.slice(1) : rows;
}

function streamContent(response: ServerResponse, text: string, fault: Fault | undefined): void {
  const script = {
    pieces: inPieces(text).map((piece) => event(content(piece, null))),
    ending: [event(content('', 'STOP'))],
    error: event({ error: { code: 503, message: 'failed on purpose', status: 'UNAVAILABLE' } }),
  };
  sendStream(response, script, fault);
}

function event(body: unknown): string {
  return `data: ${JSON.stringify(body)}\n\n`;
}

function content(text: string, finishReason: string | null): object {
  return {
    candidates: [
      { index: 0, content: { role: 'model', parts: [{ text }] }, ...(finishReason === null ? {} : { finishReason }) },
    ],
    usageMetadata: { promptTokenCount: 11, candidatesTokenCount: 7, totalTokenCount: 18 },
  };
}
