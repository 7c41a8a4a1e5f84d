import type { FieldError } from '../errors/app-error.ts';

/** What a schema has to say about one place of the input. */
export interface SchemaIssue {
  path: readonly PropertyKey[];
  message: string;
  /** Names that the schema does not know, for an issue that is about those. */
  unknownKeys?: readonly string[] | undefined;
}

/** `part` is where the input came from: body, query, params or headers. Unknown fields are named one by one. */
export function fieldErrors(part: string, issues: readonly SchemaIssue[]): FieldError[] {
  return issues.flatMap(({ path, message, unknownKeys }) => {
    const at = [part, ...path.map(String)];
    if (unknownKeys === undefined) return [{ path: at.join('.'), message }];
    return unknownKeys.map((key) => ({ path: [...at, key].join('.'), message: 'is not known' }));
  });
}
