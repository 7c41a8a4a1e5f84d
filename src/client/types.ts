/** What the API takes and answers, as far as a client needs it. Instants are RFC 3339 in UTC; ids are opaque. */

export interface Page<T> {
  items: T[];
  /** Null on the last page. */
  next_cursor: string | null;
}

/** RFC 9457, with the stable `code` to match on. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  trace_id: string;
  errors?: { path: string; message: string }[] | undefined;
}

export interface SignedIn {
  user: { user_id: string; email: string; name: string | null; created_at: string };
  access_token: string;
  token_type: 'Bearer';
  /** Seconds. */
  expires_in: number;
  /** Good for one refresh; a second use ends the session. */
  refresh_token: string;
}

export interface Me {
  user_id: string;
  email: string;
  name: string | null;
  system_roles: ('super_admin' | 'operator' | 'auditor')[];
  groups: { group_id: string; name: string; role: 'admin' | 'editor' | 'viewer' }[];
}

export type SourceType = 'file' | 'text' | 'web' | 'rss' | 'sheet' | 'github' | 'notion' | 'firestore';

/** What may be said about any content that is added. */
export interface ContentFields {
  title?: string | undefined;
  group_id?: string | undefined;
  tags?: string[] | undefined;
  metadata?: Record<string, unknown> | undefined;
  expires_at?: string | undefined;
  /** Stable identity: the same source again replaces the document. */
  source?: string | undefined;
}

export interface Accepted {
  job_id: string;
  document_id: string;
  status: 'pending';
  status_url: string;
  /** For guests: what they poll the job with. */
  job_token?: string | undefined;
}

export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

export interface Job {
  job_id: string;
  job_type: string;
  queue: string;
  status: JobStatus;
  /** Why a pending job does not run at this moment; null for any other. */
  reason:
    | 'in_line'
    | 'scheduled'
    | 'waiting_for_key'
    | 'waiting_for_rate'
    | 'waiting_for_children'
    | 'paused'
    | 'no_worker'
    | null;
  /** Lower runs first. */
  priority: number;
  parent_id: string | null;
  open_children: number;
  progress: { stage: string; done: number; total: number } | null;
  result: Record<string, unknown> | null;
  error: { code: string; message: string; retryable: boolean } | null;
  attempts: number;
  max_attempts: number;
  run_at: string;
  created_at: string;
  updated_at: string;
  started_at: string | null;
  /** Null until the job has ended, however it did. */
  finished_at: string | null;
  trace_id: string | null;
}

/** A job that was asked for by its id. */
export interface JobDetail extends Job {
  /** What has happened to the job, oldest first. */
  timeline: { at: string; event: string; detail: string | null }[];
  /**
   * Where it stands among those of its type and queue, or among those that wait for the same key; 1 is next, 1001 is far
   * behind; null for any other.
   */
  place: number | null;
  /** How long jobs like it have been waiting of late. */
  recent_wait_ms: number | null;
}

export interface JobsQuery {
  status?: JobStatus | undefined;
  job_type?: string | undefined;
  all?: boolean | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface Document {
  document_id: string;
  title: string;
  source: string;
  source_type: SourceType;
  media_type: string | null;
  bytes: number | null;
  chunks: number;
  language: string | null;
  /** 0 until the first version is whole. */
  version: number;
  status: 'processing' | 'ready_words_only' | 'ready' | 'failed';
  /** Null: public. */
  owner_id: string | null;
  tags: string[];
  metadata: Record<string, unknown>;
  permissions: ('read' | 'write' | 'manage')[];
  created_at: string;
  updated_at: string;
  expires_at: string | null;
  /** What was done about personal data in it. */
  pii_policy: 'off' | 'tag' | 'mask';
  /** How often each kind was found; null where nobody has looked. */
  pii: Partial<Record<PiiKind, number>> | null;
}

export type PiiKind = 'email' | 'phone' | 'iban' | 'credit_card' | 'ip_address' | 'national_id' | 'secret';

export interface DocumentsQuery {
  group_id?: string | undefined;
  owner?: 'me' | undefined;
  tag?: string | undefined;
  source_type?: SourceType | undefined;
  q?: string | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface SearchFilters {
  document_ids?: string[] | undefined;
  group_ids?: string[] | undefined;
  tags?: string[] | undefined;
  source_types?: SourceType[] | undefined;
  created_after?: string | undefined;
  created_before?: string | undefined;
  metadata?: Record<string, string | number | boolean> | undefined;
}

export type SearchMode = 'keyword' | 'vector' | 'hybrid';

export interface SearchRequest {
  query: string;
  limit?: number | undefined;
  filters?: SearchFilters | undefined;
}

export interface Question extends SearchRequest {
  instruction?: string | undefined;
  model?: string | undefined;
}

/** Offsets count UTF-16 code units of the document's canonical text. */
export interface Location {
  page_start?: number | undefined;
  page_end?: number | undefined;
  char_start: number;
  char_end: number;
  heading_path?: string[] | undefined;
}

export interface SearchResult {
  chunk_id: string;
  document_id: string;
  title: string;
  text: string;
  score: number;
  scores: {
    keyword?: number | undefined;
    vector?: number | undefined;
    fused?: number | undefined;
    rerank?: number | undefined;
  };
  location: Location;
  source: string;
}

export type Degradation = 'vectors_pending' | 'embedding_unavailable' | 'chat_unavailable';

export interface SearchAnswer {
  results: SearchResult[];
  took_ms: number;
  degraded?: Degradation[] | undefined;
}

export interface Citation {
  number: number;
  chunk_id: string;
  document_id: string;
  title: string;
  location: Location;
  /** Verbatim text of the chunk. */
  quote: string;
}

export interface Answer {
  /** Null when nothing was found that answers. */
  answer: string | null;
  mode: 'llm' | 'extractive';
  citations: Citation[];
  results: SearchResult[];
  degraded?: Degradation[] | undefined;
  usage?: { input_tokens: number; output_tokens: number } | undefined;
  took_ms: number;
}

/** A streamed answer: the results, pieces of the text, and at the end the whole without the results. */
export type AnswerEvent =
  | { kind: 'results'; results: SearchResult[]; degraded?: Degradation[] | undefined }
  | { kind: 'delta'; text: string }
  | { kind: 'done'; answer: Omit<Answer, 'results'> };
