import { AppError } from '../errors/app-error.ts';

/** Position in a list as an opaque word. Not a secret: it holds what the caller has just been shown. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Throws `invalid_cursor` unless the word was made by `encodeCursor` from values of these types; numbers are integers. */
export function decodeCursor<const T extends readonly ('string' | 'number')[]>(
  cursor: string,
  types: T,
): { -readonly [K in keyof T]: T[K] extends 'string' ? string : number } {
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch (error) {
    throw new AppError('invalid_cursor', undefined, { cause: error });
  }
  const fits =
    Array.isArray(position) &&
    position.length === types.length &&
    position.every(
      (value, index) => typeof value === types[index] && (typeof value === 'string' || Number.isSafeInteger(value)),
    );
  if (!fits) throw new AppError('invalid_cursor');
  return position as never;
}
