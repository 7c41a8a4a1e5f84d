import { ProblemError, TimedOutError, UnexpectedAnswerError, UnreachableError } from './errors.ts';
import { parseEventStream } from './event-stream.ts';
import { multipartBody, type UploadFile } from './multipart.ts';
import { pause, Transport, type TransportOptions } from './transport.ts';
import type {
  Accepted,
  Answer,
  AnswerEvent,
  ContentFields,
  Document,
  DocumentsQuery,
  Job,
  JobDetail,
  JobsQuery,
  Me,
  Page,
  Problem,
  Question,
  SearchAnswer,
  SearchMode,
  SearchRequest,
  SignedIn,
} from './types.ts';

export interface JobAccess {
  /** What a guest was given for this job. */
  jobToken?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The API of one server. Every function throws `ProblemError` when the server refuses, `UnreachableError` and
 * `TimedOutError` when it does not answer, `UnexpectedAnswerError` when the answer is none of anyrag's.
 */
export type Client = ReturnType<typeof createClient>;

export function createClient(options: TransportOptions) {
  const http = new Transport(options);

  async function* jobEvents(jobId: string, { jobToken, signal }: JobAccess = {}): AsyncGenerator<Job> {
    const bytes = http.stream({
      method: 'GET',
      path: `/jobs/${encodeURIComponent(jobId)}/events`,
      headers: { accept: 'text/event-stream', 'job-token': jobToken },
      signal,
    });
    for await (const { data } of parseEventStream(bytes)) yield parseData<Job>(data);
  }

  return {
    // Accounts

    login: (email: string, password: string): Promise<SignedIn> =>
      http.json({ method: 'POST', path: '/auth/login', json: { email, password }, authenticated: false }),

    /** Spends the token. Never tried twice: a token that is sent again ends the session. */
    refresh: (refreshToken: string): Promise<SignedIn> =>
      http.json({
        method: 'POST',
        path: '/auth/refresh',
        json: { refresh_token: refreshToken },
        authenticated: false,
        repeatable: false,
      }),

    logout: (): Promise<void> => http.json({ method: 'POST', path: '/auth/logout' }),

    me: (): Promise<Me> => http.json({ method: 'GET', path: '/auth/me' }),

    // Content

    /** Sends a file without holding it in memory. The same `idempotencyKey` again gives the first answer. */
    ingestFile: (file: UploadFile, fields: ContentFields, idempotencyKey: string): Promise<Accepted> =>
      http.upload({
        method: 'POST',
        path: '/ingest/file',
        headers: { 'idempotency-key': idempotencyKey },
        body: () => multipartBody(formFields(fields), file),
        repeatable: file.repeatable,
      }),

    ingestWeb: (url: string, fields: ContentFields, idempotencyKey: string): Promise<Accepted> =>
      http.json({
        method: 'POST',
        path: '/ingest/web',
        headers: { 'idempotency-key': idempotencyKey },
        json: { url, ...fields },
      }),

    documents: (query: DocumentsQuery = {}): Promise<Page<Document>> =>
      http.json({ method: 'GET', path: '/documents', query: { ...query } }),

    document: (documentId: string): Promise<Document> =>
      http.json({ method: 'GET', path: `/documents/${encodeURIComponent(documentId)}` }),

    deleteDocument: (documentId: string): Promise<void> =>
      http.json({ method: 'DELETE', path: `/documents/${encodeURIComponent(documentId)}` }),

    // Jobs

    jobs: (query: JobsQuery = {}): Promise<Page<Job>> =>
      http.json({ method: 'GET', path: '/jobs', query: { ...query } }),

    job: (jobId: string, { jobToken, signal }: JobAccess = {}): Promise<JobDetail> =>
      http.json({
        method: 'GET',
        path: `/jobs/${encodeURIComponent(jobId)}`,
        headers: { 'job-token': jobToken },
        signal,
      }),

    cancelJob: (jobId: string): Promise<Job> =>
      http.json({ method: 'POST', path: `/jobs/${encodeURIComponent(jobId)}/cancel` }),

    retryJob: (jobId: string): Promise<Job> =>
      http.json({ method: 'POST', path: `/jobs/${encodeURIComponent(jobId)}/retry` }),

    /** The job as it is, then each change, until it has ended, the server stops or the connection breaks. */
    jobEvents,

    /**
     * The same until the job has ended: a server that restarts meanwhile is waited for as long as `patienceMs` (60,000).
     * Throws `TimedOutError` when `signal` aborts by a timeout.
     */
    followJob: (jobId: string, access: JobAccess & { patienceMs?: number } = {}): AsyncGenerator<Job> =>
      followJob(jobEvents, jobId, access),

    // Search and answers

    search: (mode: SearchMode, request: SearchRequest): Promise<SearchAnswer> =>
      http.json({ method: 'POST', path: `/search/${mode}`, json: request }),

    ask: (question: Question): Promise<Answer> =>
      http.json({ method: 'POST', path: '/search/knowledge', json: question }),

    /** The answer in pieces. A problem after its beginning throws `ProblemError` as one before does. */
    async *askStreaming(question: Question, signal?: AbortSignal): AsyncGenerator<AnswerEvent> {
      const bytes = http.stream({
        method: 'POST',
        path: '/search/knowledge',
        headers: { accept: 'text/event-stream' },
        json: { ...question, stream: true },
        signal,
      });
      for await (const { event, data } of parseEventStream(bytes)) {
        if (event === 'results') yield { kind: 'results', ...parseData<Pick<Answer, 'results' | 'degraded'>>(data) };
        else if (event === 'delta') yield { kind: 'delta', text: parseData<{ text: string }>(data).text };
        else if (event === 'error') throw new ProblemError(parseData<Problem>(data));
        else if (event === 'done') {
          yield { kind: 'done', answer: parseData(data) };
          return;
        }
      }
      throw new UnreachableError('The answer broke off');
    },
  };
}

const RECONNECT_MS = 500;
const DEFAULT_PATIENCE_MS = 60_000;

async function* followJob(
  jobEvents: (jobId: string, access: JobAccess) => AsyncGenerator<Job>,
  jobId: string,
  { patienceMs = DEFAULT_PATIENCE_MS, ...access }: JobAccess & { patienceMs?: number },
): AsyncGenerator<Job> {
  let lastContactMs = performance.now();
  try {
    for (;;) {
      try {
        for await (const job of jobEvents(jobId, access)) {
          lastContactMs = performance.now();
          yield job;
          if (job.finished_at !== null) return;
        }
      } catch (error) {
        const isLost = error instanceof UnreachableError;
        if (!isLost || performance.now() - lastContactMs > patienceMs) throw error;
      }
      await pause(RECONNECT_MS, access.signal);
    }
  } catch (error) {
    const { signal } = access;
    const isTimeUp = signal?.aborted === true && (signal.reason as Error).name === 'TimeoutError';
    throw isTimeUp ? new TimedOutError('The job has not ended in time', { cause: error }) : error;
  }
}

function formFields({ tags = [], metadata, ...texts }: ContentFields): [string, string][] {
  const fields: [string, string][] = [];
  for (const [name, value] of Object.entries(texts)) {
    if (value !== undefined) fields.push([name, value]);
  }
  // One JSON array, since a repeated field that begins with a bracket would be read as one.
  if (tags.length > 0) fields.push(['tags', JSON.stringify(tags)]);
  if (metadata !== undefined) fields.push(['metadata', JSON.stringify(metadata)]);
  return fields;
}

function parseData<T>(data: string): T {
  try {
    return JSON.parse(data) as T;
  } catch (error) {
    throw new UnexpectedAnswerError('The server sent an event that is no JSON', { cause: error });
  }
}
