import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type Fault, Faults } from './faults.ts';
import { HranaError, type PipelineAnswer, type PipelineRequest, type StreamResult } from './protocol.ts';
import { Streams } from './streams.ts';

/** As libsql-server has them. */
export const STREAM_EXPIRY_MS = 10_000;
export const TRANSACTION_TIMEOUT_MS = 5_000;

export interface HranaServerOptions {
  /** The database file, opened by the libSQL engine. Nobody else in this process may open it. */
  readonly path: string;
  /** The bearer token that requests must show; none is asked for where left out. */
  readonly token?: string;
  /** Whether connections enforce foreign keys. Default true, as in libSQL. */
  readonly foreignKeys?: boolean;
  /** After how long without a request a stream is gone. Default `STREAM_EXPIRY_MS`. */
  readonly streamExpiryMs?: number;
  /** After how long a transaction may lose the write lock to somebody else. Default `TRANSACTION_TIMEOUT_MS`. */
  readonly transactionTimeoutMs?: number;
  /** Default: a free one. */
  readonly port?: number;
}

export interface HranaServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly faults: Faults;
  close(): Promise<void>;
}

/**
 * A loopback server for tests that speaks Hrana over HTTP (JSON, versions 2 and 3) on a real libSQL engine. It stands in for
 * libsql-server and follows what that one documents; unlike it, a second writer is told SQLITE_BUSY at once and does not queue.
 */
export async function startHranaServer(options: HranaServerOptions): Promise<HranaServer> {
  const { path, foreignKeys = true } = options;
  const { streamExpiryMs = STREAM_EXPIRY_MS, transactionTimeoutMs = TRANSACTION_TIMEOUT_MS } = options;
  const streams = new Streams({ path, foreignKeys, streamExpiryMs, transactionTimeoutMs });
  const faults = new Faults();
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /health' || route === 'GET /v2' || route === 'GET /v3') return answer(response, 200, {});
    const version = PIPELINES[route];
    if (version === undefined) return answer(response, 404, { error: 'Not found' });
    if (options.token !== undefined && request.headers.authorization !== `Bearer ${options.token}`) {
      return answer(response, 401, { error: 'Unauthorized: the token is missing or wrong' });
    }
    const body = (await json(request)) as PipelineRequest;
    const fault = faults.take(body);
    await withFault(fault, response, () => runPipeline(streams, body, version, fault));
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, faults, close: () => stop(server, streams) };
}

const PIPELINES: Readonly<Record<string, 2 | 3>> = { 'POST /v2/pipeline': 2, 'POST /v3/pipeline': 3 };

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function runPipeline(
  streams: Streams,
  { baton, requests }: PipelineRequest,
  version: 2 | 3,
  fault: Fault | null,
): Promise<Answer> {
  try {
    const stream = streams.take(baton ?? null, version);
    try {
      const results: StreamResult[] = [];
      for (const request of requests) results.push(await stream.handle(request, (step) => pauseBefore(step, fault)));
      return {
        status: 200,
        body: { baton: streams.giveBack(stream), base_url: null, results } satisfies PipelineAnswer,
      };
    } catch (error) {
      stream.close();
      throw error;
    }
  } catch (error) {
    if (!(error instanceof HranaError)) throw error;
    return { status: 400, body: { message: error.message, code: error.code } };
  }
}

async function pauseBefore(step: number, fault: Fault | null): Promise<void> {
  if (fault?.kind === 'pause_in_batch' && fault.afterSteps === step) await fault.pause();
}

async function withFault(fault: Fault | null, response: ServerResponse, run: () => Promise<Answer>): Promise<void> {
  if (fault?.kind === 'drop_before') return void response.destroy();
  if (fault?.kind === 'status') {
    if (fault.isRun) await run();
    return answer(response, fault.status, { error: 'Injected' });
  }
  if (fault?.kind === 'stream_expired') return answer(response, 400, { message: 'Injected', code: 'STREAM_EXPIRED' });
  if (fault?.kind === 'garbage') return void response.setHeader('content-type', 'text/html').end('<h1>Sign in</h1>');
  if (fault?.kind === 'half_open' && !fault.isRun) return;
  if (fault?.kind === 'delay') await fault.until;
  if (fault?.kind === 'duplicate') await run();
  const { status, body } = await run();
  if (fault?.kind === 'half_open') return;
  if (fault?.kind === 'drop_answer') return void response.destroy();
  if (fault?.kind === 'delay_answer') await fault.until;
  answer(response, status, body);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function stop(server: Server, streams: Streams): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  streams.closeAll();
}
