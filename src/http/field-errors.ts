import type { FieldError } from '../errors/app-error.ts';

/** What a schema has to say about one place of the input. */
export interface SchemaIssue {
  path: readonly PropertyKey[];
  message: string;
  /** Names that the schema does not know, for an issue that is about those. */
  unknownKeys?: readonly string[] | undefined;
}

/** More help nobody. One for each of a million wrong fields would make an answer of many times the request's size. */
export const MAX_FIELD_ERRORS = 50;
/** Names of fields come from the caller, and may be as long as the body. */
const MAX_PATH_CHARS = 300;

/**
 * `part` is where the input came from: body, query, params or headers. Unknown fields are named one by one. Only the first
 * `MAX_FIELD_ERRORS` are told.
 */
export function fieldErrors(part: string, issues: readonly SchemaIssue[]): FieldError[] {
  const told = issues.slice(0, MAX_FIELD_ERRORS).flatMap(({ path, message, unknownKeys }) => {
    const at = [part, ...path.map(String)];
    if (unknownKeys === undefined) return [{ path: pathText(at), message }];
    return unknownKeys
      .slice(0, MAX_FIELD_ERRORS)
      .map((key) => ({ path: pathText([...at, key]), message: 'is not known' }));
  });
  return told.slice(0, MAX_FIELD_ERRORS);
}

function pathText(parts: readonly string[]): string {
  const text = parts.join('.');
  return text.length <= MAX_PATH_CHARS ? text : `${text.slice(0, MAX_PATH_CHARS).toWellFormed()}…`;
}
