import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { AppError } from '../errors/app-error.ts';

/** Shortest master secret, in bytes of UTF-8: as long as the keys that are derived from it. */
export const MIN_SECRET_BYTES = 32;

/** Keys for one purpose each. `KeyObject`s, since those show nothing of themselves when they are logged or serialised. */
export interface Secrets {
  /** HMAC key that turns an e-mail address into a user id. */
  readonly emailPepper: KeyObject;
  /** AES-256 key of the `*_sealed` columns. */
  readonly sealingKey: KeyObject;
  /** HMAC key under which failed logins are counted. */
  readonly throttleKey: KeyObject;
  /** HMAC key under which cached vectors of queries are found. */
  readonly queryKey: KeyObject;
  /** HMAC key that turns an account at an identity provider into what it is found by. */
  readonly identityPepper: KeyObject;
  /** HMAC key that turns a refresh token into the one that follows it. */
  readonly refreshKey: KeyObject;
}

/**
 * Derives every key from the one master secret by HKDF-SHA256 (RFC 5869), so that none of them tells anything about
 * another. The same master gives the same keys. Throws `AppError` config_invalid when it is shorter than 32 bytes.
 */
export function deriveSecrets(master: string): Secrets {
  if (Buffer.byteLength(master) < MIN_SECRET_BYTES) {
    throw new AppError('config_invalid', `SECRET_KEY must have at least ${MIN_SECRET_BYTES} characters.`);
  }
  return {
    emailPepper: deriveKey(master, 'email-pepper'),
    sealingKey: deriveKey(master, 'sealing'),
    throttleKey: deriveKey(master, 'login-throttle'),
    queryKey: deriveKey(master, 'query-vectors'),
    identityPepper: deriveKey(master, 'identity-pepper'),
    refreshKey: deriveKey(master, 'refresh-tokens'),
  };
}

/** Where a sealed value lives. It is bound to its place: copied to another row or column, it does not open. */
export interface SealedPlace {
  /** `table.column`. */
  readonly column: `${string}.${string}`;
  /** Key of the row: the user's id, or what identifies a row that belongs to no user. */
  readonly row: string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of every sealed value, so that another scheme can be told apart one day. */
const SCHEME = 1;

/**
 * Encrypts a text by AES-256-GCM: scheme (1 byte), random nonce (12), tag (16), ciphertext. The same text gives other bytes
 * each time, so equal values cannot be seen in the database.
 */
export function sealText(secrets: Secrets, text: string, place: SealedPlace): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', secrets.sealingKey, nonce).setAAD(associatedData(place));
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(SCHEME), nonce, cipher.getAuthTag(), ciphertext]);
}

/** Opens what `sealText` made for the same place under the same secret; throws `AppError` config_invalid for all else. */
export function openText(secrets: Secrets, sealed: Uint8Array, place: SealedPlace): string {
  try {
    if (sealed[0] !== SCHEME) throw new Error(`unknown scheme ${sealed[0]}`);
    const nonceEnd = 1 + NONCE_BYTES;
    const tagEnd = nonceEnd + TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', secrets.sealingKey, sealed.subarray(1, nonceEnd), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(associatedData(place)).setAuthTag(sealed.subarray(nonceEnd, tagEnd));
    return Buffer.concat([decipher.update(sealed.subarray(tagEnd)), decipher.final()]).toString('utf8');
  } catch (error) {
    throw new AppError(
      'config_invalid',
      'A sealed field does not open: SECRET_KEY is not the one it was sealed with.',
      {
        cause: error,
      },
    );
  }
}

function deriveKey(master: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', master, 'anyrag', `anyrag/1/${purpose}`, 32)));
}

function associatedData({ column, row }: SealedPlace): Buffer {
  return Buffer.from(`${column}\0${row}`);
}

/** Hexadecimal HMAC-SHA256. */
export function hmacHex(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}
