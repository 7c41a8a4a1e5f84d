import { type Database, requireThat } from '../../db/database.ts';
import { now, type Row, type Statement, sql } from '../../db/sql.ts';
import type { EmailState } from '../user.ts';

/** A browser that was sent to a provider. */
export interface OidcAttempt {
  stateHash: string;
  /** Of the cookie that only this browser has. */
  browserHash: string;
  provider: string;
  redirectUri: string;
  nonce: string;
  codeVerifierSealed: Uint8Array;
  /** Where the browser goes afterwards, and whose verifier gets the sign-in there; null: the answer is the sign-in. */
  target: { returnTo: string; codeChallenge: string } | null;
  /** The user who adds the identity to their account; null: somebody signs in. */
  linkUserId: string | null;
}

const ATTEMPT_MS = 10 * 60_000;
/** The browser goes straight on; RFC 6749 §4.1.2 names ten minutes as the most. */
const SIGN_IN_CODE_MS = 60_000;

export function insertAttempt(attempt: OidcAttempt): Statement {
  return sql`INSERT INTO oidc_attempts (state_hash, browser_hash, provider, redirect_uri, nonce, code_verifier_sealed,
      return_to, code_challenge, link_user_id, created_at, expires_at)
    VALUES (${attempt.stateHash}, ${attempt.browserHash}, ${attempt.provider}, ${attempt.redirectUri}, ${attempt.nonce},
      ${attempt.codeVerifierSealed}, ${attempt.target?.returnTo ?? null}, ${attempt.target?.codeChallenge ?? null},
      ${attempt.linkUserId}, ${now}, ${now} + ${ATTEMPT_MS})`;
}

/** Ends an attempt and answers it, to the browser that began it with this provider; to others there is none. */
export function takeAttempt(attempt: Pick<OidcAttempt, 'stateHash' | 'browserHash' | 'provider'>): Statement {
  return sql`DELETE FROM oidc_attempts
    WHERE state_hash = ${attempt.stateHash} AND browser_hash = ${attempt.browserHash} AND provider = ${attempt.provider}
      AND expires_at > ${now}
    RETURNING *`;
}

export function toAttempt(row: Row): OidcAttempt {
  const returnTo = row.return_to as string | null;
  return {
    stateHash: row.state_hash as string,
    browserHash: row.browser_hash as string,
    provider: row.provider as string,
    redirectUri: row.redirect_uri as string,
    nonce: row.nonce as string,
    codeVerifierSealed: row.code_verifier_sealed as Uint8Array,
    target: returnTo === null ? null : { returnTo, codeChallenge: row.code_challenge as string },
    linkUserId: row.link_user_id as string | null,
  };
}

/** Whose identity it is, active or not; null: nobody's yet. */
export async function selectUserIdByIdentity(db: Database, identityHmac: string): Promise<string | null> {
  const rows = await db.query(sql`SELECT user_id FROM user_identifiers WHERE kind = 'oidc' AND hmac = ${identityHmac}`);
  return (rows[0]?.user_id as string | undefined) ?? null;
}

/** Adds an identity, and aborts the batch with conflict where it has become somebody's meanwhile. */
export function insertIdentity(identityHmac: string, userId: string): Statement[] {
  return [
    requireThat(
      sql`NOT EXISTS (SELECT 1 FROM user_identifiers WHERE kind = 'oidc' AND hmac = ${identityHmac})`,
      'conflict',
    ),
    sql`INSERT INTO user_identifiers (kind, hmac, user_id) VALUES ('oidc', ${identityHmac}, ${userId})`,
  ];
}

/** Aborts the batch with conflict where what is known of the user's address has changed. */
export function requireEmailState(userId: string, emailState: EmailState): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${userId} AND email_state = ${emailState})`,
    'conflict',
  );
}

export function insertSignInCode(code: { codeHash: string; codeChallenge: string; userId: string }): Statement {
  return sql`INSERT INTO sign_in_codes (code_hash, code_challenge, user_id, expires_at)
    VALUES (${code.codeHash}, ${code.codeChallenge}, ${code.userId}, ${now} + ${SIGN_IN_CODE_MS})`;
}

/** For whom a code is, if the program that shows it is the one that began the sign-in. */
export async function selectUserIdBySignInCode(
  db: Database,
  code: { codeHash: string; codeChallenge: string },
): Promise<string | null> {
  const rows = await db.query(sql`SELECT user_id FROM sign_in_codes
    WHERE code_hash = ${code.codeHash} AND code_challenge = ${code.codeChallenge} AND expires_at > ${now}`);
  return (rows[0]?.user_id as string | undefined) ?? null;
}

/** Uses up a code, and aborts the batch with invalid_token where another one has. */
export function spendSignInCode(codeHash: string): Statement[] {
  return [
    sql`DELETE FROM sign_in_codes WHERE code_hash = ${codeHash} AND expires_at > ${now}`,
    requireThat(sql`changes() = 1`, 'invalid_token'),
  ];
}
