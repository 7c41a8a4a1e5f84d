import type { ServerResponse } from 'node:http';
import {
  type ChatMessage,
  type Fault,
  inPieces,
  type ModelServer,
  type RecordedRequest,
  sendJson,
  sendStream,
  startModelServer,
} from './model-server.ts';
import { wordVector } from './word-vectors.ts';

export interface FakeOpenAiOptions {
  /** Dimensions of the embeddings unless the request asks for others; 64 by default. */
  dimensions?: number;
  /** The answer of the chat model; by default it repeats the last message. */
  answer?: (messages: ChatMessage[]) => string;
  /** The `finish_reason` of a complete answer; `stop` by default. */
  finishReason?: string;
}

export interface FakeOpenAi extends ModelServer {
  /** Base URL as `EMBEDDING_URL` and `CHAT_URL` take it. */
  url: string;
  /** Every text that was asked to be embedded, in order, failed requests included. */
  embeddedTexts: string[];
}

/** Speaks `/v1/embeddings` and `/v1/chat/completions` of the OpenAI API, with and without streaming, on loopback. */
export async function startFakeOpenAi(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
  const { dimensions = 64, finishReason = 'stop' } = options;
  const answer = options.answer ?? ((messages) => messages.at(-1)?.content ?? '');
  const server = await startModelServer((request, response, fault) => {
    if (request.path === '/v1/embeddings') return answerEmbeddings(request, response, fault, dimensions);
    if (request.path === '/v1/chat/completions') {
      const text = answer(request.body.messages.map(plainMessage));
      return request.body.stream === true
        ? streamChat(response, text, finishReason, fault)
        : answerChat(response, text, finishReason);
    }
    response.statusCode = 404;
    return sendJson(response, { error: { message: `no ${request.path}`, type: 'invalid_request_error', code: null } });
  });

  return {
    ...server,
    url: `${server.origin}/v1`,
    get embeddedTexts() {
      return server.requests.filter((request) => request.path === '/v1/embeddings').flatMap(textsOf);
    },
  };
}

function textsOf(request: RecordedRequest): string[] {
  return [request.body.input].flat();
}

function answerEmbeddings(
  request: RecordedRequest,
  response: ServerResponse,
  fault: Fault | undefined,
  defaultDimensions: number,
): void {
  const texts = textsOf(request);
  const dimensions = request.body.dimensions ?? defaultDimensions;
  const data = texts.map((text, index) => ({ object: 'embedding', index, embedding: wordVector(text, dimensions) }));
  const spoiled = spoil(data, fault);
  const answer = {
    object: 'list',
    data: spoiled,
    model: request.body.model,
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
  const json = JSON.stringify(answer).replace('"not finite"', fault?.kind === 'nan' ? 'NaN' : '1e999');
  response.setHeader('content-type', 'application/json').end(json);
}

interface EmbeddingRow {
  object: string;
  index: number;
  embedding: (number | string)[];
}

function spoil(data: EmbeddingRow[], fault: Fault | undefined): EmbeddingRow[] {
  const last = data.at(-1)!;
  switch (fault?.kind) {
    case 'out_of_order':
      return data.toReversed();
    case 'wrong_count':
      return data.slice(1);
    case 'wrong_dimensions':
      return data.with(-1, { ...last, embedding: [...last.embedding, 0.5] });
    case 'repeated_index':
      return data.map((row) => ({ ...row, index: 0 }));
    case 'nan':
    case 'not_finite':
      return data.with(-1, { ...last, embedding: last.embedding.with(0, 'not finite') });
    default:
      return data;
  }
}

function answerChat(response: ServerResponse, text: string, finishReason: string): void {
  sendJson(response, {
    id: 'chat-1',
    object: 'chat.completion',
    created: 1,
    model: 'fake',
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finishReason }],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });
}

function streamChat(response: ServerResponse, text: string, finishReason: string, fault: Fault | undefined): void {
  const script = {
    pieces: inPieces(text).map((piece) => chatEvent({ content: piece }, null)),
    ending: [chatEvent({}, finishReason), 'data: [DONE]\n\n'],
    error: `data: ${JSON.stringify({ error: { message: 'failed on purpose', type: 'server_error' } })}\n\n`,
  };
  sendStream(response, script, fault);
}

function chatEvent(delta: object, finishReason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  const event = { id: 'chat-1', object: 'chat.completion.chunk', created: 1, model: 'fake', choices };
  return `data: ${JSON.stringify(event)}\n\n`;
}

/** Content is a text or a list of parts. */
function plainMessage(message: { role: string; content: string | { text?: string }[] }): ChatMessage {
  const { role, content } = message;
  return { role, content: typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('') };
}
