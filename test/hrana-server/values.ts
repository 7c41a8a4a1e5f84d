import { HranaError, type HranaValue } from './protocol.ts';

/** What the engine takes and gives with `safeIntegers`: a JS number is REAL there. */
export type EngineValue = null | bigint | number | string | Uint8Array;

export function decodeValue(value: HranaValue): EngineValue {
  switch (value.type) {
    case 'null':
      return null;
    case 'integer':
      return BigInt(value.value);
    case 'float':
    case 'text':
      return value.value;
    case 'blob':
      return new Uint8Array(Buffer.from(value.base64, 'base64'));
    default:
      throw new HranaError('HRANA_PROTO_ERROR', 'A value has an unknown type.', { endsStream: true });
  }
}

export function encodeValue(value: EngineValue): HranaValue {
  if (value === null) return { type: 'null' };
  if (typeof value === 'bigint') return { type: 'integer', value: value.toString() };
  if (typeof value === 'number') return { type: 'float', value };
  if (typeof value === 'string') return { type: 'text', value };
  // The specification leaves out the padding.
  return { type: 'blob', base64: Buffer.from(value).toString('base64').replace(/=+$/, '') };
}
