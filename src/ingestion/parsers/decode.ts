import { open, stat } from 'node:fs/promises';
import { analyse } from 'chardet';
import { AppError } from '../../errors/app-error.ts';

export interface DecodedText {
  text: string;
  /** Name of the encoding in the WHATWG Encoding Standard, or `utf-32`. */
  encoding: string;
  /** Whether bytes that were invalid in the encoding became U+FFFD. */
  isLossy: boolean;
}

/** HTML requires a charset declaration within this many bytes. */
export const CHARSET_PRESCAN_BYTES = 1024;

/** Enough for a statistical guess, and bounded, because the guess is linear in it. */
const SAMPLE_BYTES = 64 * 1024;

/** Above this share of control characters no reader would call it text. Terminal logs with colours stay below. */
const MAX_CONTROL_SHARE = 0.02;

/** Above this share of invalid sequences among its non-ASCII text, a file is not damaged UTF-8 but something else. */
const MAX_DAMAGED_SHARE = 0.02;

/**
 * Text of bytes in any common encoding: byte order mark, else UTF-8 if every byte agrees, else what was declared, else
 * the statistically likely one. UTF-8 goes before the declaration because other encodings are almost never valid UTF-8,
 * while declarations are often wrong.
 *
 * Throws `undecodable_text` for what is no text in any of them.
 */
export function decodeText(bytes: Uint8Array, declared?: string | null): DecodedText {
  const decoded =
    decodeByMark(bytes) ??
    decodeUnmarkedUtf16(bytes) ??
    decodeStrictly(bytes, 'utf-8') ??
    decodeDeclared(bytes, declared) ??
    decodeDamagedUtf8(bytes) ??
    decodeShiftJis(bytes) ??
    decodeLikeliest(bytes);
  if (decoded === null || !looksLikeText(decoded.text)) throw new AppError('undecodable_text');
  return decoded;
}

/**
 * Text of the first bytes of a file, a character cut off at the end left out, or null if they are no text. `isWhole` says
 * whether they are the whole file.
 */
export function decodePrefix(bytes: Uint8Array, isWhole: boolean): string | null {
  try {
    return decodeText(isWhole ? bytes : withoutCutCharacter(bytes)).text;
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

/** Reads and decodes a whole text file. Throws `document_too_large` above `maxBytes`, `empty_file`, `undecodable_text`. */
export async function readTextFile(
  path: string,
  options: { declared?: string | null; maxBytes: number },
): Promise<DecodedText> {
  const bytes = await readWhole(path, options.maxBytes);
  const decoded = decodeText(bytes, options.declared);
  if (decoded.text.trim() === '') throw new AppError('empty_file');
  return decoded;
}

/** The bytes of a file of at most `maxBytes`; throws `document_too_large` above, `empty_file` for none. */
async function readWhole(path: string, maxBytes: number): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > maxBytes) {
    throw new AppError('document_too_large', `The file has ${size} bytes; this format is read up to ${maxBytes}.`);
  }
  if (size === 0) throw new AppError('empty_file');
  return readStart(path, size);
}

/** At most `maxBytes` bytes from the start of a file. */
export async function readStart(path: string, maxBytes: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(maxBytes);
  let length = 0;
  while (length < maxBytes) {
    const { bytesRead } = await file.read(buffer, length, maxBytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** The charset that a `meta` element of HTML declares, or null. */
export function declaredCharset(start: Buffer): string | null {
  return /<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)/i.exec(start.toString('latin1'))?.[1] ?? null;
}

function decodeByMark(bytes: Uint8Array): DecodedText | null {
  const [a, b, c, d] = bytes;
  // UTF-32 first: its little-endian mark begins with that of UTF-16.
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return decodeUtf32(bytes.subarray(4), true);
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return decodeUtf32(bytes.subarray(4), false);
  if (a === 0xef && b === 0xbb && c === 0xbf) return decodeLossily(bytes, 'utf-8');
  if (a === 0xff && b === 0xfe) return decodeLossily(bytes, 'utf-16le');
  if (a === 0xfe && b === 0xff) return decodeLossily(bytes, 'utf-16be');
  return null;
}

function decodeStrictly(bytes: Uint8Array, encoding: string): DecodedText | null {
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding, isLossy: false };
  } catch (error) {
    // TypeError: a byte that the encoding does not have. RangeError: an encoding that this runtime does not have.
    if (error instanceof TypeError || error instanceof RangeError) return null;
    throw error;
  }
}

function decodeLossily(bytes: Uint8Array, encoding: string): DecodedText {
  const strict = decodeStrictly(bytes, encoding);
  return strict ?? { text: new TextDecoder(encoding).decode(bytes), encoding, isLossy: true };
}

/** The Encoding Standard has no UTF-32, and no more is needed than reading code points. */
function decodeUtf32(bytes: Uint8Array, isLittleEndian: boolean): DecodedText {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: string[] = [];
  let isLossy = false;
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    const point = view.getUint32(at, isLittleEndian);
    const isValid = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    if (!isValid) isLossy = true;
    parts.push(isValid ? String.fromCodePoint(point) : '\ufffd');
  }
  return { text: parts.join(''), encoding: 'utf-32', isLossy };
}

/**
 * UTF-16 without a mark shows in its blanks and line ends, which all scripts use: a zero byte always on the same side.
 * Other encodings have no zero bytes in text.
 */
function decodeUnmarkedUtf16(bytes: Uint8Array): DecodedText | null {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  if (bytes.byteLength % 2 !== 0 || !sample.includes(0)) return null;
  const zeros = [0, 0] as [number, number];
  for (const [index, byte] of sample.entries()) if (byte === 0) zeros[(index % 2) as 0 | 1]++;
  const [even, odd] = zeros;
  if (Math.max(even, odd) < sample.byteLength * 0.02 || Math.min(even, odd) > Math.max(even, odd) * 0.05) return null;
  return decodeStrictly(bytes, odd > even ? 'utf-16le' : 'utf-16be');
}

function decodeDeclared(bytes: Uint8Array, declared: string | null | undefined): DecodedText | null {
  if (!declared) return null;
  try {
    const { encoding } = new TextDecoder(declared.trim());
    // UTF-8 was refused before, and UTF-16 would "decode" any bytes.
    return encoding.startsWith('utf-') ? null : decodeLossily(bytes, encoding);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function decodeDamagedUtf8(bytes: Uint8Array): DecodedText | null {
  const decoded = decodeLossily(bytes, 'utf-8');
  let foreign = 0;
  let damaged = 0;
  for (let at = 0; at < decoded.text.length; at++) {
    const unit = decoded.text.charCodeAt(at);
    if (unit === 0xfffd) damaged++;
    else if (unit > 0x7f) foreign++;
  }
  return damaged <= foreign * MAX_DAMAGED_SHARE ? decoded : null;
}

/**
 * Shift JIS in texts too short for statistics: half or more of its characters begin with 0x81 to 0x9F, which the other
 * multi-byte encodings hardly use and the single-byte ones keep for signs. Half-width kana would fit anything.
 */
function decodeShiftJis(bytes: Uint8Array): DecodedText | null {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  let leads = 0;
  let typical = 0;
  for (let at = 0; at < sample.byteLength; at++) {
    const byte = sample[at]!;
    if (byte < 0x80) continue;
    leads++;
    if (byte <= 0x9f) typical++;
    at++;
  }
  if (typical === 0 || typical < leads / 2) return null;
  const decoded = decodeStrictly(bytes, 'shift_jis');
  return decoded !== null && !/[\uff61-\uff9f]/.test(decoded.text) ? decoded : null;
}

function decodeLikeliest(bytes: Uint8Array): DecodedText | null {
  const sample = withoutCutCharacter(bytes.subarray(0, SAMPLE_BYTES));
  for (const match of analyse(sample)) {
    // 16- and 32-bit encodings were settled above; guesses of them here are wrong.
    if (/^utf/i.test(match.name)) continue;
    const decoded = decodeStrictly(bytes, match.name.toLowerCase());
    if (decoded !== null && looksLikeText(decoded.text)) return decoded;
  }
  return decodeStrictly(bytes, 'windows-1252');
}

function looksLikeText(text: string): boolean {
  let controls = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Zero never stands in text, and a file with even one is more likely binary with readable parts.
    if (unit === 0) return false;
    if ((unit < 0x20 && unit !== 9 && unit !== 10 && unit !== 12 && unit !== 13 && unit !== 27) || unit === 0x7f)
      controls++;
    if (unit >= 0x80 && unit < 0xa0 && unit !== 0x85) controls++;
    if (unit === 0xfffd) controls++;
  }
  return controls <= Math.max(1, text.length * MAX_CONTROL_SHARE);
}

/**
 * Cuts after the last ASCII byte that ends a line or word, if there is one near: no encoding of bytes splits there.
 * Else cuts an incomplete UTF-8 sequence.
 */
function withoutCutCharacter(bytes: Uint8Array): Uint8Array {
  for (let end = bytes.byteLength; end > Math.max(0, bytes.byteLength - 1024); end--) {
    const byte = bytes[end - 1];
    if (byte === 0x0a || byte === 0x20) return bytes.subarray(0, end - (end % 2));
  }
  let end = bytes.byteLength;
  while (end > 0 && (bytes[end - 1]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, Math.max(0, end - 1));
}
