import type { Agent } from 'undici';
import { AppError } from '../errors/app-error.ts';
import { parseRetryAfter } from './retry.ts';

/** The way to a configured provider. Its failures are AppErrors before the SDK sees them. */
export interface ProviderConnection {
  readonly fetch: typeof globalThis.fetch;
  /** Breaks off what is in flight. May be called twice. */
  close(): Promise<void>;
}

/** Statuses below 500 by which servers say "not now" rather than "not this". */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425]);

/**
 * `rewrite` sees each complete JSON answer before the SDK does. An API key must not follow a redirect to another host, and
 * `fetch` takes off `Authorization` only: redirects are answers like any other, and refused.
 */
export function connectProvider(provider: string, rewrite?: (body: unknown) => unknown): ProviderConnection {
  let opened: Promise<{ agent: Agent; send: typeof globalThis.fetch }> | undefined;

  const fetch: typeof globalThis.fetch = async (input, init) => {
    opened ??= open();
    const { send } = await opened;
    const response = await reaching(provider, () => send(input, { ...init, redirect: 'manual' }));
    if (!response.ok) throw await refusal(provider, response);
    if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) return response;
    const text = await reaching(provider, () => response.text());
    return answerOf(response, rewrite === undefined ? text : rewritten(provider, text, rewrite));
  };

  return {
    fetch,
    close: async () => {
      const connection = await opened;
      await connection?.agent.destroy();
    },
  };
}

/** Loaded at the first call, so that a process that never calls a provider starts without it. */
async function open(): Promise<{ agent: Agent; send: typeof globalThis.fetch }> {
  const { Agent, fetch } = await import('undici');
  // Large local models think for longer than the 300 s that undici gives a server; the caller's deadline counts instead.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const send = ((input: string, init: object) => fetch(input, { ...init, dispatcher: agent })) as unknown;
  return { agent, send: send as typeof globalThis.fetch };
}

async function reaching<T>(provider: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new AppError('provider_unavailable', `The model provider ${provider} could not be reached.`, { cause });
  }
}

function answerOf(response: Response, text: string): Response {
  const contentType = response.headers.get('content-type') ?? 'application/json';
  return new Response(text, { status: response.status, headers: { 'content-type': contentType } });
}

function rewritten(provider: string, text: string, rewrite: (body: unknown) => unknown): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // The parser's error quotes the answer, which is content.
    throw new AppError('provider_invalid_answer', `The model provider ${provider} gave an answer that is no JSON.`);
  }
  return JSON.stringify(rewrite(body));
}

async function refusal(provider: string, response: Response): Promise<AppError> {
  const { status } = response;
  const cause = new Error(`status ${status} ${await errorWords(response)}`.trim());
  const retryAfterSeconds = parseRetryAfter(response.headers.get('retry-after'), Date.now());
  const options = retryAfterSeconds === undefined ? { cause } : { cause, retryAfterSeconds };
  const said = `The model provider ${provider} answered with status ${status}`;
  if (status === 429) return new AppError('provider_rate_limited', `${said}.`, options);
  if (status >= 500 || PASSING_STATUSES.has(status)) return new AppError('provider_unavailable', `${said}.`, options);
  return new AppError('provider_rejected', `${said}${hint(status)}.`, options);
}

function hint(status: number): string {
  if (status === 401 || status === 403) return ': its API key is not accepted';
  if (status === 404) return ': its URL or the name of the model may be wrong';
  if (status < 400) return ': its URL redirects, set the one it leads to';
  return '';
}

/** The provider's own words for the kind of the error. Its message is left out: it may quote the prompt or the key. */
async function errorWords(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const error = fieldOf(body, 'error');
  const words = ['type', 'code', 'status'].map((name) => fieldOf(error, name));
  return words.filter((word) => typeof word === 'string' && /^[\w.-]{1,64}$/.test(word)).join(' ');
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
