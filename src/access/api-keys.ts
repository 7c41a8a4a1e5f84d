import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { newId } from '../base/ids.ts';
import type { Scope } from './subject.ts';

const SECRET_BYTES = 32;
/** Fixed lengths, since the alphabet of the secret contains the separator. */
const API_KEY = /^(rag_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([A-Za-z0-9_-]{43}))_([0-9a-f]{8})$/;

/** What a key can be made for. */
export const API_KEY_SCOPES = ['read', 'ingest', 'search', 'manage', 'content:expire'] as const satisfies Scope[];

export const API_KEY_PREFIX = 'rag_';

export interface NewApiKey {
  keyId: string;
  /** `rag_<key_id>_<secret>_<crc>`: prefix and checksum let scanners of repositories and logs recognise a leaked one. */
  text: string;
  secretHash: string;
}

export function newApiKey(): NewApiKey {
  const keyId = newId();
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const body = `${API_KEY_PREFIX}${keyId}_${secret}`;
  return { keyId, text: `${body}_${checksum(body)}`, secretHash: hashOpaqueToken(secret) };
}

/** The parts of a well-formed key; null for any other text. */
export function parseApiKey(text: string): Pick<NewApiKey, 'keyId' | 'secretHash'> | null {
  const parts = API_KEY.exec(text);
  if (parts === null || checksum(parts[1]!) !== parts[4]) return null;
  return { keyId: parts[2]!, secretHash: hashOpaqueToken(parts[3]!) };
}

/** SHA-256, hexadecimal. Enough for a secret of 256 random bits, which nobody can try out: a slow hash would gain nothing. */
export function hashOpaqueToken(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compares two hexadecimal hashes in a time that does not tell where they differ. */
export function hashesEqual(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
