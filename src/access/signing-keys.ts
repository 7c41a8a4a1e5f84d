import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Database, Statement } from '../db/database.ts';
import {
  deleteAllSigningKeys,
  deleteRetiredSigningKeys,
  insertSigningKey,
  needsNextSigningKey,
  promoteSigningKey,
  type StoredSigningKey,
  selectSigningKeys,
} from './queries.ts';
import { openText, type Secrets, sealText } from './secrets.ts';

/** The one algorithm: Ed25519 (RFC 8037). A token does not get to choose. */
export const SIGNING_ALGORITHM = 'EdDSA';

/** How often, at most, tokens under unknown key ids make a process look for keys that another one has made. */
const REREAD_INTERVAL_MS = 1_000;
/** How long a process goes on with the keys it has read, and so the longest that a deleted key still verifies anywhere. */
const STALE_AFTER_MS = 10_000;

/** How long a key signs. No standard names a time; a month keeps the rotation exercised. */
const ACTIVE_MS = 30 * 86_400_000;
/** Between publishing and signing: longer than anybody may keep the key set (five minutes) or a process its keys. */
const PUBLISHED_MS = 15 * 60_000;
/** Between the last signature and deletion: longer than an access token lives (ten minutes). */
const RETIRED_MS = 20 * 60_000;

export interface SigningKeys {
  /** The key that signs; made on first use. All processes on one database have the same, within ten seconds. */
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
 * Reads the keys that sign access tokens; private parts are sealed in the database. Keys that will sign and keys that have
 * signed verify for as long as their row is there. Throws `AppError` config_invalid when they were sealed under another
 * secret, so that a process with a wrong SECRET_KEY does not start.
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

  async function rereadAfter(ms: number): Promise<void> {
    if (nowMs() - readAtMs >= ms) await reread();
  }

  async function active() {
    await rereadAfter(STALE_AFTER_MS);
    if (loaded.active === null) {
      await db.batch([insertSigningKey(await makeKey(secrets, 'active'))]);
      await reread();
    }
    return loaded.active!;
  }

  return {
    active,
    async find(kid) {
      await rereadAfter(loaded.verifying.has(kid) ? STALE_AFTER_MS : REREAD_INTERVAL_MS);
      return loaded.verifying.get(kid)?.publicKey ?? null;
    },
    async publicKeys() {
      await active();
      return [...loaded.verifying.values()].map(({ jwk }) => jwk);
    },
  };
}

/** What a step of the rotation has to write; each part may be empty. */
export interface RotationStep {
  /** Answers the `kid` of the key that begins to sign, in its last statement. */
  readonly promote: readonly Statement[];
  /** Publishes the key that will sign next. */
  readonly publish: readonly Statement[];
  readonly clear: readonly Statement[];
}

/**
 * The next step of the rotation of signing keys, whatever it is; nothing is written until the caller runs the statements. A
 * key is published a quarter of an hour before it signs, signs for a month (or until `atOnce` publishes another), and verifies
 * for twenty minutes more, so that no valid token is refused at any time. Running a step twice, or in two processes at once,
 * does no more than once. Throws `AppError` config_invalid under another secret than the one the keys are sealed with.
 */
export async function nextRotationStep(
  { db, secrets }: { db: Database; secrets: Secrets },
  { atOnce = false } = {},
): Promise<RotationStep> {
  // A worker with another secret must not seal a key that nobody else can open.
  await load(db, secrets);
  const isDue = await needsNextSigningKey(db, atOnce ? 0 : ACTIVE_MS);
  return {
    promote: promoteSigningKey(PUBLISHED_MS),
    publish: isDue ? [insertSigningKey(await makeKey(secrets, 'next'))] : [],
    clear: [deleteRetiredSigningKeys(RETIRED_MS)],
  };
}

/**
 * Deletes every key and lets a new one sign: for a key that somebody else may have. Access tokens that are out are refused
 * within ten seconds, by every process; refresh tokens bring new ones.
 */
export async function replaceSigningKeys(secrets: Secrets): Promise<Statement[]> {
  return [deleteAllSigningKeys(), insertSigningKey(await makeKey(secrets, 'active'))];
}

async function load(db: Database, secrets: Secrets): Promise<LoadedKeys> {
  const rows = await selectSigningKeys(db);
  const active = rows.find((row) => row.state === 'active');
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

async function makeKey(secrets: Secrets, state: 'active' | 'next'): Promise<StoredSigningKey> {
  const pair = await generateKeyPair(SIGNING_ALGORITHM, { crv: 'Ed25519', extractable: true });
  const { kty, crv, x } = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint({ kty, crv, x } as JWK);
  const privateJwk = JSON.stringify(await exportJWK(pair.privateKey));
  return {
    kid,
    publicJwk: JSON.stringify({ kty, crv, x, kid, use: 'sig', alg: SIGNING_ALGORITHM }),
    privateSealed: sealText(secrets, privateJwk, placeOf(kid)),
    state,
  };
}

function placeOf(kid: string) {
  return { column: 'signing_keys.private_sealed', row: kid } as const;
}
