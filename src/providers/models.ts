/** The two kinds of models that anyrag calls, each behind one small interface. Adapters: one file each in this folder. */

export interface EmbeddingModel {
  /** Stored with each vector; vectors of different ids are never compared. Includes provider, name and version. */
  readonly id: string;
  /** 0 until the first `embed` where a remote model decides and none are configured. */
  readonly dimensions: number;
  /** Weight of the vector list in hybrid search, 0..1, before the language rule. */
  readonly hybridWeight: number;
  /** ISO 639-1 codes the model is trained on, or null for any. In another language its weight counts as 0. */
  readonly languages: readonly string[] | null;
  /** Longest text in UTF-16 code units that the model reads whole; longer texts must be cut into pieces before. */
  readonly maxChars: number;
  /** Its tokens are counted, since somebody is paid for them. */
  readonly isMetered: boolean;
  /** How many texts one call of `embed` should carry at the most. */
  readonly batchSize: number;
  /**
   * One L2-normalised vector of `dimensions` float32 per text, in the order of the texts; `[]` for no texts.
   * Throws `provider_unavailable`, `provider_rate_limited` (with retryAfterSeconds), `provider_rejected` or
   * `provider_invalid_answer` (wrong count, wrong dimensions, not finite).
   */
  embed(
    texts: readonly string[],
    options: {
      purpose: 'document' | 'query';
      signal?: AbortSignal;
      /** Told the tokens of each request, where the provider says them. */
      onTokens?: (tokens: number) => void;
    },
  ): Promise<Float32Array[]>;
  /** Frees threads and sockets. May be called twice. */
  close(): Promise<void>;
}

export interface ChatRequest {
  system: string;
  prompt: string;
  maxOutputTokens: number;
  /** Told by `stream` what the answer has cost, where the provider says it. */
  onUsage?: (usage: ChatUsage) => void;
  signal?: AbortSignal;
  /** Called before each attempt, since an earlier one may be long ago. What it throws ends the call. */
  beforeSending?(): Promise<void>;
}

export interface ChatUsage {
  inputTokens: number;
  outputTokens: number;
}

export interface ChatModel {
  readonly id: string;
  /** Context budget for the passages, in UTF-16 code units. */
  readonly maxPromptChars: number;
  /** The whole answer. Throws the same codes as `EmbeddingModel.embed`. */
  generate(request: ChatRequest): Promise<{ text: string; usage: ChatUsage | null }>;
  /** Text pieces as they come; ends normally only when the answer is whole, else throws the same codes. */
  stream(request: ChatRequest): AsyncIterable<string>;
  close(): Promise<void>;
}
