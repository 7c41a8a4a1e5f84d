/** What may be bound. Booleans become 0 or 1, `undefined` is refused. Integers bind as INTEGER on both drivers. */
export type SqlInput = null | boolean | number | bigint | string | Uint8Array;
/** What comes back. INTEGER columns are JS numbers; a value beyond 2^53 throws. BLOBs are Uint8Array. */
export type SqlOutput = null | number | string | Uint8Array;
export type Row = Record<string, SqlOutput>;

/** A piece of SQL text with its bound values: a whole statement, or a fragment to be composed into one. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SqlInput[];
}

/** A whole statement. The row type is a promise of the author of the SQL, checked by the statement's tests. */
export interface Statement<_R = Row> extends Sql {
  readonly _row?: _R;
}

/**
 * The one way to write SQL: every interpolated value becomes a bound parameter, and an interpolated fragment (also made by
 * `sql`) is spliced in with its own parameters. Identifiers can only come from the literal text.
 *
 *     sql`SELECT * FROM documents WHERE document_id = ${id} AND ${visible}`
 */
export function sql<R = Row>(strings: TemplateStringsArray, ...parts: readonly (SqlInput | Sql)[]): Statement<R> {
  let text = strings[0]!;
  const values: SqlInput[] = [];
  parts.forEach((part, index) => {
    if (isSql(part)) {
      text += part.text;
      values.push(...part.values);
    } else {
      if (part === undefined) throw new TypeError('undefined cannot be bound; use null');
      text += '?';
      values.push(part);
    }
    text += strings[index + 1];
  });
  return { text, values };
}

/** Joins fragments with a separator that is literal SQL; `[]` gives the empty fragment. */
export function joinSql(fragments: readonly Sql[], separator: ' AND ' | ' OR ' | ', ' | ' UNION ALL '): Sql {
  return {
    text: fragments.map((fragment) => fragment.text).join(separator),
    values: fragments.flatMap((fragment) => [...fragment.values]),
  };
}

/**
 * An integer written into the text. For LIMIT in hot statements: with a bound limit SQLite plans the statement anew at every
 * call. Only for values from a small closed set, since each makes a statement of its own.
 */
export function literal(value: number): Sql {
  if (!Number.isSafeInteger(value)) throw new TypeError('only an integer may be written into SQL');
  return { text: String(value), values: [] };
}

/** The database's clock in integer milliseconds since 1970: the only source of stored instants. */
export const now: Sql = { text: "CAST(unixepoch('subsec') * 1000 AS INTEGER)", values: [] };

function isSql(part: SqlInput | Sql): part is Sql {
  return typeof part === 'object' && part !== null && 'text' in part;
}
