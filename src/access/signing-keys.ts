import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Database } from '../db/database.ts';
import { insertActiveSigningKey, type StoredSigningKey, selectSigningKeys } from './queries.ts';
import { openText, type Secrets, sealText } from './secrets.ts';

/** The one algorithm: Ed25519 (RFC 8037). A token does not get to choose. */
export const SIGNING_ALGORITHM = 'EdDSA';

/** How often, at most, tokens under unknown key ids make a process look for keys that another one has made. */
const REREAD_INTERVAL_MS = 1_000;

export interface SigningKeys {
  /** The key that signs; made on first use. All processes on one database have the same. */
  active(): Promise<{ kid: string; privateKey: CryptoKey }>;
  /** The public key of exactly this id; null when there is none. */
  find(kid: string): Promise<CryptoKey | null>;
  /** Every key that verifies, the active one first, as RFC 7517 writes them. */
  publicKeys(): Promise<JWK[]>;
}

interface LoadedKeys {
  readonly active: { kid: string; privateKey: CryptoKey } | null;
  readonly verifying: ReadonlyMap<string, { publicKey: CryptoKey; jwk: JWK }>;
}

/**
 * Reads the keys that sign access tokens; private parts are sealed in the database. Retired keys verify for as long as their
 * row is there. Throws `AppError` config_invalid when they were sealed under another secret, so that a process with a wrong
 * SECRET_KEY does not start.
 */
export async function openSigningKeys(
  { db, secrets }: { db: Database; secrets: Secrets },
  nowMs: () => number = () => performance.now(),
): Promise<SigningKeys> {
  let loaded = await load(db, secrets);
  let readAtMs = nowMs();

  async function reread(): Promise<void> {
    readAtMs = nowMs();
    loaded = await load(db, secrets);
  }

  async function active() {
    if (loaded.active === null) {
      await db.batch([insertActiveSigningKey(await makeKey(secrets))]);
      await reread();
    }
    return loaded.active!;
  }

  return {
    active,
    async find(kid) {
      if (!loaded.verifying.has(kid) && nowMs() - readAtMs >= REREAD_INTERVAL_MS) await reread();
      return loaded.verifying.get(kid)?.publicKey ?? null;
    },
    async publicKeys() {
      await active();
      return [...loaded.verifying.values()].map(({ jwk }) => jwk);
    },
  };
}

async function load(db: Database, secrets: Secrets): Promise<LoadedKeys> {
  const rows = await selectSigningKeys(db);
  const active = rows.find((row) => row.isActive);
  return {
    active: active === undefined ? null : { kid: active.kid, privateKey: await openPrivateKey(active, secrets) },
    verifying: new Map(await Promise.all(rows.map(toVerifyingKey))),
  };
}

async function openPrivateKey(row: StoredSigningKey, secrets: Secrets): Promise<CryptoKey> {
  const jwk = JSON.parse(openText(secrets, row.privateSealed, placeOf(row.kid))) as JWK;
  return (await importJWK(jwk, SIGNING_ALGORITHM)) as CryptoKey;
}

async function toVerifyingKey(row: StoredSigningKey) {
  const jwk = JSON.parse(row.publicJwk) as JWK;
  const publicKey = (await importJWK(jwk, SIGNING_ALGORITHM)) as CryptoKey;
  return [row.kid, { publicKey, jwk }] as const;
}

async function makeKey(secrets: Secrets): Promise<Omit<StoredSigningKey, 'isActive'>> {
  const pair = await generateKeyPair(SIGNING_ALGORITHM, { crv: 'Ed25519', extractable: true });
  const { kty, crv, x } = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint({ kty, crv, x } as JWK);
  const privateJwk = JSON.stringify(await exportJWK(pair.privateKey));
  return {
    kid,
    publicJwk: JSON.stringify({ kty, crv, x, kid, use: 'sig', alg: SIGNING_ALGORITHM }),
    privateSealed: sealText(secrets, privateJwk, placeOf(kid)),
  };
}

function placeOf(kid: string) {
  return { column: 'signing_keys.private_sealed', row: kid } as const;
}
