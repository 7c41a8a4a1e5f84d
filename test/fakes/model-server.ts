import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with one request instead of answering it well. */
export type Fault =
  /** Answers with a status, and `Retry-After` where given. */
  | { kind: 'status'; status: number; retryAfter?: string }
  /** Never answers. */
  | { kind: 'silent' }
  /** Closes the connection without an answer. */
  | { kind: 'reset' }
  /** Answers with something that is no JSON. */
  | { kind: 'garbage' }
  /** Embeddings in another order, each with its `index`. */
  | { kind: 'out_of_order' }
  /** One embedding too few. */
  | { kind: 'wrong_count' }
  /** The last embedding has one dimension more. */
  | { kind: 'wrong_dimensions' }
  /** A number beyond the range of doubles, which JSON can write and a parser reads as infinity. */
  | { kind: 'not_finite' }
  /** The bare word NaN, as some servers write it. */
  | { kind: 'nan' }
  /** Two embeddings with one `index`. */
  | { kind: 'repeated_index' }
  /** A stream that ends in good order before the answer does. */
  | { kind: 'truncated_stream' }
  /** A stream whose connection breaks after the first piece. */
  | { kind: 'reset_stream' }
  /** A stream that goes silent after the first piece. */
  | { kind: 'stalled_stream' }
  /** A stream that reports an error after the first piece. */
  | { kind: 'error_in_stream' };

export interface RecordedRequest {
  path: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: the body of any provider's protocol, looked into by tests.
  body: any;
  /** Settles when the client closes the connection before the answer is complete. */
  abandoned: Promise<void>;
}

export interface ModelServer {
  /** `http://127.0.0.1:port` without a path. */
  origin: string;
  /** Every request in the order of arrival, those that a fault was spent on too. */
  requests: RecordedRequest[];
  /** Faults for the next requests, one each, in order; later requests are answered well again. */
  failNext(...faults: Fault[]): void;
  close(): Promise<void>;
}

export interface ChatMessage {
  role: string;
  content: string;
}

/** Answers a request that no fault of the transport was spent on. */
export type Answer = (request: RecordedRequest, response: ServerResponse, fault: Fault | undefined) => void;

/** A loopback HTTP server that speaks a model provider's protocol through `answer`. */
export async function startModelServer(answer: Answer): Promise<ModelServer> {
  const requests: RecordedRequest[] = [];
  const faults: Fault[] = [];
  const server = createServer((incoming, response) => {
    void readBody(incoming).then((body) => {
      const request = {
        path: incoming.url ?? '',
        headers: incoming.headers,
        body,
        abandoned: whenAbandoned(response),
      };
      requests.push(request);
      const fault = faults.shift();
      if (!spendOnTransport(fault, response)) answer(request, response, fault);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    failNext: (...next) => void faults.push(...next),
    close: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

export function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
}

export interface StreamScript {
  /** Complete server-sent events, one text piece each. */
  pieces: string[];
  /** Events that say the answer is complete. */
  ending: string[];
  /** The event by which the provider reports an error inside a stream. */
  error: string;
}

export function sendStream(response: ServerResponse, script: StreamScript, fault: Fault | undefined): void {
  response.setHeader('content-type', 'text/event-stream');
  const [first = '', ...rest] = script.pieces;
  response.write(first);
  switch (fault?.kind) {
    case 'stalled_stream':
      return;
    case 'reset_stream':
      // Once the first piece is on its way, or the client would see no stream at all.
      response.write(': \n\n', () => response.destroy());
      return;
    case 'error_in_stream':
      response.end(script.error);
      return;
    case 'truncated_stream':
      response.end();
      return;
    default:
      response.end([...rest, ...script.ending].join(''));
  }
}

/** The text in a few pieces that join to it again. */
export function inPieces(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}

function spendOnTransport(fault: Fault | undefined, response: ServerResponse): boolean {
  switch (fault?.kind) {
    case 'status':
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      response.statusCode = fault.status;
      if (fault.status >= 300 && fault.status < 400) response.setHeader('location', '/elsewhere');
      sendJson(response, { error: { message: 'failed on purpose', type: 'on_purpose', code: 'on_purpose' } });
      return true;
    case 'silent':
      return true;
    case 'reset':
      response.destroy();
      return true;
    case 'garbage':
      response.setHeader('content-type', 'application/json').end('<html>');
      return true;
    default:
      return false;
  }
}

async function readBody(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? null : JSON.parse(text);
}

function whenAbandoned(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('close', () => {
      if (!response.writableFinished) resolve();
    });
  });
}
