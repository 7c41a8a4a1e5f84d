/**
 * The JSON of Hrana over HTTP, versions 2 and 3, as the specification of libSQL's protocol describes it (HRANA_3_SPEC.md,
 * "JSON over HTTP"). Only what this server reads and writes.
 */
export type HranaValue =
  | { readonly type: 'null' }
  | { readonly type: 'integer'; readonly value: string }
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'blob'; readonly base64: string };

/** A SQL text, or the id under which `store_sql` has left one on the stream. */
export interface SqlReference {
  readonly sql?: string | null;
  readonly sql_id?: number | null;
}

export interface HranaStatement extends SqlReference {
  readonly args?: readonly HranaValue[];
  readonly named_args?: readonly unknown[];
  readonly want_rows?: boolean;
}

export type Condition =
  | { readonly type: 'ok' | 'error'; readonly step: number }
  | { readonly type: 'not'; readonly cond: Condition }
  | { readonly type: 'and' | 'or'; readonly conds: readonly Condition[] }
  | { readonly type: 'is_autocommit' };

export interface BatchStep {
  readonly stmt: HranaStatement;
  readonly condition?: Condition | null;
}

export type StreamRequest =
  | { readonly type: 'close' | 'get_autocommit' }
  | { readonly type: 'execute'; readonly stmt: HranaStatement }
  | { readonly type: 'batch'; readonly batch: { readonly steps: readonly BatchStep[] } }
  | ({ readonly type: 'sequence' | 'describe' } & SqlReference)
  | { readonly type: 'store_sql'; readonly sql_id: number; readonly sql: string }
  | { readonly type: 'close_sql'; readonly sql_id: number };

export interface Column {
  readonly name: string;
  readonly decltype: string | null;
}

export interface StatementResult {
  readonly cols: readonly Column[];
  readonly rows: readonly (readonly HranaValue[])[];
  readonly affected_row_count: number;
  readonly last_insert_rowid: string | null;
}

export interface BatchResult {
  readonly step_results: readonly (StatementResult | null)[];
  readonly step_errors: readonly (HranaErrorBody | null)[];
}

export interface HranaErrorBody {
  readonly message: string;
  readonly code: string;
}

export type StreamResult =
  | { readonly type: 'ok'; readonly response: { readonly type: StreamRequest['type'] } & Record<string, unknown> }
  | { readonly type: 'error'; readonly error: HranaErrorBody };

export interface PipelineRequest {
  readonly baton?: string | null;
  readonly requests: readonly StreamRequest[];
}

export interface PipelineAnswer {
  readonly baton: string | null;
  readonly base_url: null;
  readonly results: readonly StreamResult[];
}

/** An error with a code of the protocol. `endsStream` refuses the whole HTTP request with status 400. */
export class HranaError extends Error {
  readonly code: string;
  readonly endsStream: boolean;
  constructor(code: string, message: string, options: { endsStream?: boolean } = {}) {
    super(message);
    this.code = code;
    this.endsStream = options.endsStream ?? false;
  }
}
