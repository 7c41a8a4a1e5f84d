import type { SqlInput } from './sql.ts';

/** What a driver is given: a JS number here is always meant as REAL. */
export type Binding = null | number | bigint | string | Uint8Array;

/**
 * The values as both drivers must bind them. Both bind a JS number as REAL (`'k' || 5` would be `k5.0`, and a JSON array
 * would hold `5.0`), so integers go as BigInt; the native libSQL engine aborts the process on a boolean.
 */
export function toBindings(values: readonly SqlInput[]): Binding[] {
  return values.map(toBinding);
}

function toBinding(value: SqlInput): Binding {
  switch (typeof value) {
    case 'number':
      return numberBinding(value);
    case 'boolean':
      return value ? 1n : 0n;
    case 'string':
      return value;
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) throw new TypeError('An integer of more than 64 bits cannot be bound.');
      return value;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw new TypeError(`A value of type ${typeof value} cannot be bound.`);
  }
}

function numberBinding(value: number): Binding {
  // NaN would silently become NULL, and infinity has no form in the JSON that goes to a remote server.
  if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be bound.`);
  return Number.isSafeInteger(value) ? BigInt(value) : value;
}
