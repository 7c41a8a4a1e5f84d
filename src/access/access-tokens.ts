import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { newId } from '../base/ids.ts';
import { AppError } from '../errors/app-error.ts';
import { SIGNING_ALGORITHM, type SigningKeys } from './signing-keys.ts';

/** Short, since it bounds nothing but how long a stolen token of an ended session is worth checking. */
export const ACCESS_TOKEN_SECONDS = 600;

const ISSUER = 'anyrag';
const AUDIENCE = 'anyrag';
/** RFC 9068 §2.1: keeps ID tokens and other JWTs of the same issuer from passing as access tokens. */
const TYPE = 'at+jwt';
/** Between the clocks of two processes. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** What an access token says: who, and in which session. Never what they may do. */
export interface AccessClaims {
  userId: string;
  sessionId: string;
}

/** A JWT (RFC 9068) signed with the active key, valid for `ACCESS_TOKEN_SECONDS`. */
export async function issueAccessToken(keys: SigningKeys, claims: AccessClaims): Promise<string> {
  const { kid, privateKey } = await keys.active();
  return new SignJWT({ sid: claims.sessionId })
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid, typ: TYPE })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(claims.userId)
    .setJti(newId())
    .setIssuedAt()
    .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
    .sign(privateKey);
}

/**
 * Claims of a token that one of our keys has signed and whose time has come and not passed. Nothing in the token chooses
 * the algorithm or brings a key. Throws `AppError` invalid_credentials for every other token, without saying what is wrong.
 */
export async function verifyAccessToken(keys: SigningKeys, token: string): Promise<AccessClaims> {
  try {
    const { payload } = await jwtVerify(token, (header) => keyOf(keys, header), {
      algorithms: [SIGNING_ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ['sub', 'sid', 'jti', 'iat', 'exp'],
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    const { sub, sid } = payload;
    if (typeof sub !== 'string' || typeof sid !== 'string') throw new errors.JWTInvalid('sub and sid must be text');
    return { userId: sub, sessionId: sid };
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new AppError('invalid_credentials', undefined, { cause: error });
    throw error;
  }
}

async function keyOf(keys: SigningKeys, { kid }: JWTHeaderParameters) {
  const key = typeof kid === 'string' ? await keys.find(kid) : null;
  if (key === null) throw new errors.JWKSNoMatchingKey();
  return key;
}
