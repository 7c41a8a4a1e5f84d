import { connectionError, ProblemError, UnexpectedAnswerError } from './errors.ts';
import type { Problem } from './types.ts';

/** Where the bearer token of a request comes from. */
export interface Credentials {
  /** Null: as a guest. */
  token(): Promise<string | null>;
  /** After the server refused `refused` as no longer valid: another one to try, once, or null. */
  renew(refused: string): Promise<string | null>;
}

export interface TransportOptions {
  /** Of the server, with or without a path. */
  url: string;
  credentials: Credentials;
  /** For the whole of an answer that is read at once, and for the beginning of one that is streamed. Default 60,000. */
  timeoutMs?: number | undefined;
  /** For how long after it was turned away first (429, 503) a request is sent again. Default 60,000. */
  maxPostponedMs?: number | undefined;
  /** Told why a request was turned away, before the first wait to send it again. */
  onPostponed?: ((reason: Error) => void) | undefined;
}

export interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** A body that is made anew for each try. */
  body?: (() => { contentType: string; parts: AsyncGenerator<Uint8Array> }) | undefined;
  /** False where sending it twice would do harm or is impossible. Default true. */
  repeatable?: boolean | undefined;
  /** False: without credentials. Default true. */
  authenticated?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_POSTPONED_MS = 60_000;
const DEFAULT_RETRY_AFTER_SECONDS = 1;

/** One server: sends requests, renews credentials, waits where it is told to, and turns refusals into errors. */
export class Transport {
  readonly #base: string;
  readonly #credentials: Credentials;
  readonly #timeoutMs: number;
  readonly #maxPostponedMs: number;
  readonly #onPostponed: (reason: Error) => void;

  constructor({ url, credentials, timeoutMs, maxPostponedMs, onPostponed }: TransportOptions) {
    this.#base = url.replace(/\/+$/, '');
    this.#credentials = credentials;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#maxPostponedMs = maxPostponedMs ?? DEFAULT_MAX_POSTPONED_MS;
    this.#onPostponed = onPostponed ?? (() => {});
  }

  /** The JSON of the answer; undefined where there is none. */
  async json<T>(call: Call): Promise<T> {
    const response = await this.#send(call, 'whole');
    if (response.status === 204) return undefined as T;
    return this.#connected(async () => (await readJson(response)) as T);
  }

  /** An upload: it may take as long as it makes progress. */
  async upload<T>(call: Call): Promise<T> {
    const response = await this.#send(call, 'none');
    return this.#connected(async () => (await readJson(response)) as T);
  }

  /** The bytes of a streamed answer as they come. Ending the iteration early closes the connection. */
  async *stream(call: Call): AsyncGenerator<Uint8Array> {
    const response = await this.#send(call, 'beginning');
    try {
      for await (const bytes of response.body ?? []) yield bytes;
    } catch (error) {
      throw connectionError(error, this.#base);
    }
  }

  async #send(call: Call, timed: Timed): Promise<Response> {
    const isAuthenticated = call.authenticated ?? true;
    let token = isAuthenticated ? await this.#credentials.token() : null;
    let isRenewed = false;
    let deadlineMs: number | null = null;
    for (;;) {
      const response = await this.#connected(() => this.#fetch(call, token, timed));
      if (response.ok) return response;
      if (response.status === 401 && token !== null && !isRenewed && call.repeatable !== false) {
        const renewed = await this.#credentials.renew(token);
        if (renewed !== null) {
          await response.body?.cancel();
          token = renewed;
          isRenewed = true;
          continue;
        }
      }
      const error = await this.#connected(() => problemOf(response, this.#base));
      const delayMs = postponement(response);
      const nowMs = performance.now();
      const isFirst = deadlineMs === null;
      deadlineMs ??= nowMs + this.#maxPostponedMs;
      if (delayMs === null || call.repeatable === false || nowMs + delayMs > deadlineMs) throw error;
      if (isFirst) this.#onPostponed(error);
      await pause(delayMs, call.signal);
    }
  }

  async #fetch(call: Call, token: string | null, timed: Timed): Promise<Response> {
    const content = contentOf(call);
    const limit = timeLimit(timed, this.#timeoutMs);
    const signals = [limit.signal, call.signal].filter((signal) => signal !== undefined);
    try {
      return await fetch(this.#url(call), {
        method: call.method,
        headers: headersOf(call, token, content?.contentType),
        ...(content !== null && { body: content.body, duplex: 'half' }),
        signal: AbortSignal.any(signals),
        // A token is for this server; another one that it points to does not get it.
        redirect: 'manual',
      });
    } catch (error) {
      throw content?.failure() ?? error;
    } finally {
      limit.begun();
    }
  }

  #url({ path, query = {} }: Call): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    return `${this.#base}${path}${parameters.size === 0 ? '' : `?${parameters}`}`;
  }

  async #connected<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw connectionError(error, this.#base);
    }
  }
}

/** What has to happen in time: the whole answer, its beginning, or nothing. */
type Timed = 'whole' | 'beginning' | 'none';

function timeLimit(timed: Timed, ms: number): { signal: AbortSignal | undefined; begun(): void } {
  if (timed === 'none') return { signal: undefined, begun: () => {} };
  if (timed === 'whole') return { signal: AbortSignal.timeout(ms), begun: () => {} };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException('No answer has begun', 'TimeoutError')), ms);
  return { signal: controller.signal, begun: () => clearTimeout(timer) };
}

function headersOf(call: Call, token: string | null, contentType: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (contentType !== undefined) headers['content-type'] = contentType;
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

interface Content {
  contentType: string;
  body: string | ReadableStream<Uint8Array>;
  /** What went wrong while the body was read, which `fetch` reports as a failed connection. */
  failure(): unknown;
}

function contentOf(call: Call): Content | null {
  if (call.json !== undefined) {
    return { contentType: 'application/json', body: JSON.stringify(call.json), failure: () => undefined };
  }
  if (call.body === undefined) return null;
  const { contentType, parts } = call.body();
  let failure: unknown;
  const remembering = async function* () {
    try {
      yield* parts;
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  return { contentType, body: ReadableStream.from(remembering()), failure: () => failure };
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnexpectedAnswerError(`${response.url} did not answer in JSON; is it an anyrag server?`, {
      cause: error,
    });
  }
}

async function problemOf(response: Response, server: string): Promise<Error> {
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') ?? false;
  if (isProblem) return new ProblemError((await readJson(response)) as Problem);
  await response.body?.cancel();
  return new UnexpectedAnswerError(`${server} answered ${response.status} in a way no anyrag server does`);
}

/** How long the server wants us to wait, in milliseconds; null when waiting would not help. */
function postponement(response: Response): number | null {
  if (response.status !== 429 && response.status !== 503) return null;
  const text = response.headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(text) ? Number(text) : DEFAULT_RETRY_AFTER_SECONDS;
  return seconds * 1_000;
}

/** Rejects with the reason of the signal when it aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
