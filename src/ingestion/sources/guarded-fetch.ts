import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { Agent, type Dispatcher, request } from 'undici';
import { AppError } from '../../errors/app-error.ts';
import { type Dial, guardedConnector, type Resolve } from './guarded-connector.ts';
import { describeResponse, type ResponseName } from './response-name.ts';
import { type OutboundRules, outboundRules } from './url-rules.ts';

const MAX_REDIRECTS = 3;
const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_HEADERS_TIMEOUT_MS = 10_000;
const DEFAULT_TOTAL_TIMEOUT_MS = 60_000;
const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const FILE_ERROR_CODES: ReadonlySet<unknown> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'EROFS',
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
]);
const REQUEST_HEADERS = { 'user-agent': 'anyrag', accept: '*/*', 'accept-encoding': 'gzip, br' };

export interface FetchToFileOptions {
  /** The file that receives the decoded body. It is removed when the fetch fails. */
  path: string;
  /** Upper bound of the decoded body in bytes, counted after decompression. */
  maxBytes: number;
  /** For the whole fetch with all its redirects; 60 s by default. */
  timeoutMs?: number;
  /** For connecting and the headers of each response; 10 s by default. */
  headersTimeoutMs?: number;
  /** Hosts that may lie outside the public internet: `host` or `host:port` (`OUTBOUND_ALLOW`). */
  allow: readonly string[];
  signal?: AbortSignal;
  resolve?: Resolve;
  dial?: Dial;
}

export interface FetchedFile extends ResponseName {
  /** Where the content came from after all redirects, without a fragment. */
  finalUrl: string;
  /** Size of the decoded body. */
  bytes: number;
  /** Of the decoded body, hexadecimal. */
  sha256: string;
}

/**
 * Fetches a URL that nobody vouches for and writes its body to a file, never holding it in memory. No credentials or
 * cookies are sent, proxy variables of the environment are ignored, and each hop of a redirect is judged like the first.
 *
 * Throws `url_not_allowed`, `too_many_redirects`, `fetch_timeout`, `fetch_too_large`, `fetch_failed` (connection, name,
 * encoding, or a status other than 2xx, which the detail names), the reason of `signal`, or the error of the file system.
 */
export async function fetchToFile(url: string, options: FetchToFileOptions): Promise<FetchedFile> {
  const rules = outboundRules(options.allow);
  const start = rules.check(url);
  const connector = guardedConnector({ ...options, rules, connectTimeoutMs: CONNECT_TIMEOUT_MS });
  // An agent per fetch: a pooled connection must not outlive the rules that it was opened under.
  const agent = new Agent({ connect: connector, headersTimeout: 0, bodyTimeout: 0 });
  const time = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TOTAL_TIMEOUT_MS);
  const cancel = options.signal === undefined ? time : AbortSignal.any([time, options.signal]);
  try {
    const { response, finalUrl } = await followRedirects(start, rules, { agent, cancel, options });
    const content = await saveBody(response, options, cancel);
    const headers = response.headers;
    const name = describeResponse(finalUrl, one(headers['content-type']), one(headers['content-disposition']));
    return { finalUrl: finalUrl.href, ...name, ...content };
  } catch (error) {
    await rm(options.path, { force: true });
    throw fetchError(error, time, options.signal);
  } finally {
    await agent.destroy();
  }
}

interface Hop {
  agent: Agent;
  cancel: AbortSignal;
  options: FetchToFileOptions;
}

async function followRedirects(
  start: URL,
  rules: OutboundRules,
  hop: Hop,
): Promise<{ response: Dispatcher.ResponseData; finalUrl: URL }> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const response = await requestHeaders(url, hop);
    const location = one(response.headers.location);
    if (!REDIRECT_STATUSES.has(response.statusCode) || location === null) {
      requireSuccess(response.statusCode);
      return { response, finalUrl: url };
    }
    if (redirects === MAX_REDIRECTS) throw new AppError('too_many_redirects');
    response.body.destroy();
    url = rules.check(resolveLocation(location, url.href));
  }
}

/** Own timer instead of undici's: it covers connecting too, and a server that sends its headers drop by drop. */
async function requestHeaders(url: URL, { agent, cancel, options }: Hop): Promise<Dispatcher.ResponseData> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new AppError('fetch_timeout', 'The server did not answer in time.')),
    options.headersTimeoutMs ?? DEFAULT_HEADERS_TIMEOUT_MS,
  );
  try {
    const signal = AbortSignal.any([cancel, late.signal]);
    const response = await request(url, { dispatcher: agent, method: 'GET', headers: REQUEST_HEADERS, signal });
    // Destroying a body that nobody reads any more makes it emit an error, which without a listener ends the process.
    response.body.on('error', () => undefined);
    return response;
  } finally {
    clearTimeout(timer);
  }
}

function resolveLocation(location: string, base: string): string {
  const url = URL.parse(location, base);
  if (url === null) throw new AppError('fetch_failed', 'The server redirected to something that is no URL.');
  return url.href;
}

function requireSuccess(status: number): void {
  if (status < 200 || status > 299) throw new AppError('fetch_failed', `The server answered with status ${status}.`);
}

async function saveBody(
  response: Dispatcher.ResponseData,
  { path, maxBytes }: FetchToFileOptions,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const decoders = decodersFor(one(response.headers['content-encoding']));
  if (decoders.length === 0 && Number(one(response.headers['content-length'])) > maxBytes) throw tooLarge(maxBytes);
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) return done(tooLarge(maxBytes));
      hash.update(chunk);
      return done(null, chunk);
    },
  });
  const body: Readable = response.body;
  await pipeline([body, ...decoders, meter, createWriteStream(path)], { signal });
  return { bytes, sha256: hash.digest('hex') };
}

function decodersFor(contentEncoding: string | null): Transform[] {
  const names = (contentEncoding ?? '').toLowerCase().split(',');
  const codings = names.map((name) => name.trim()).filter((name) => name !== '' && name !== 'identity');
  // Real servers apply one coding; a tower of them is a bomb.
  if (codings.length > 1) throw unknownEncoding();
  return codings.map((coding) => {
    if (coding === 'gzip' || coding === 'x-gzip') return createGunzip();
    if (coding === 'br') return createBrotliDecompress();
    if (coding === 'deflate') return createInflate();
    throw unknownEncoding();
  });
}

function unknownEncoding(): AppError {
  return new AppError('fetch_failed', 'The server used a content encoding that was not asked for.');
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('fetch_too_large', `The response is larger than ${maxBytes} bytes.`);
}

function fetchError(error: unknown, time: AbortSignal, caller: AbortSignal | undefined): unknown {
  if (caller?.aborted === true) return caller.reason;
  if (time.aborted) return new AppError('fetch_timeout');
  if (error instanceof AppError || isFileError(error)) return error;
  return new AppError('fetch_failed', 'The server could not be reached or broke off its answer.', { cause: error });
}

/** A full disk is no fault of the server. Sockets fail in `connect`, `read` and `write`, with none of these codes. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && FILE_ERROR_CODES.has(error.code);
}

function one(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
