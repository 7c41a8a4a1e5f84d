import type { SqliteFailure } from './errors.ts';
import type { Row } from './sql.ts';
import type { Binding } from './values.ts';

/** What `ReaderPool` asks of a reader thread. */
export type ReaderRequest =
  | { readonly kind: 'query'; readonly id: number; readonly text: string; readonly bindings: readonly Binding[] }
  | { readonly kind: 'copy'; readonly id: number; readonly path: string }
  | { readonly kind: 'stop' };

/** A structured clone of an error loses its extra fields, so what SQLite reported travels beside it. */
export type ReaderAnswer =
  | { readonly id: number; readonly rows: Row[] }
  | { readonly id: number; readonly failure: SqliteFailure | null; readonly error: unknown };
