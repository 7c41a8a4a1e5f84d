import { inPieces, type ModelServer, sendJson, sendStream, startModelServer } from './model-server.ts';

export interface FakeAnthropic extends ModelServer {
  /** Base URL as `CHAT_URL` takes it. */
  url: string;
}

/** Speaks `/v1/messages` of the Anthropic API, with and without streaming, on loopback. */
export async function startFakeAnthropic(options: { answer: string }): Promise<FakeAnthropic> {
  const server = await startModelServer((request, response, fault) => {
    if (request.body.stream === true) return sendStream(response, streamOf(options.answer), fault);
    return sendJson(response, message([{ type: 'text', text: options.answer }], 'end_turn', 7));
  });
  return { ...server, url: `${server.origin}/v1` };
}

function streamOf(text: string) {
  const start =
    event('message_start', { message: message([], null, 0) }) +
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  const pieces = inPieces(text).map((piece) =>
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } }),
  );
  return {
    pieces: pieces.with(0, start + pieces[0]),
    ending: [
      event('content_block_stop', { index: 0 }),
      event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 7 } }),
      event('message_stop', {}),
    ],
    error: event('error', { error: { type: 'overloaded_error', message: 'failed on purpose' } }),
  };
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

function message(content: object[], stopReason: string | null, outputTokens: number): object {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'fake',
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: { input_tokens: 11, output_tokens: outputTokens },
  };
}
