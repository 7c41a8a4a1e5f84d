import { createHmac } from 'node:crypto';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { issueAccessToken, verifyAccessToken } from './access-tokens.ts';
import { deriveSecrets } from './secrets.ts';
import { openSigningKeys, type SigningKeys } from './signing-keys.ts';

let database: TestDatabase;
let keys: SigningKeys;
let kid: string;
let privateKey: CryptoKey;
let publicKey: CryptoKey;
let foreign: { publicKey: CryptoKey; privateKey: CryptoKey };
let valid: string;

const CLAIMS = { userId: 'u'.repeat(64), sessionId: 'session-1' };

beforeAll(async () => {
  database = await createTestDatabase();
  keys = await openSigningKeys({ db: database.db, secrets: deriveSecrets(TEST_SECRET) });
  ({ kid, privateKey } = await keys.active());
  publicKey = (await keys.find(kid))!;
  foreign = await generateKeyPair('EdDSA', { extractable: true });
  valid = await issueAccessToken(keys, CLAIMS);
});
afterAll(() => database.close());

const nowSeconds = () => Math.floor(Date.now() / 1_000);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
const header = () => ({ alg: 'EdDSA', kid, typ: 'at+jwt' });
const payload = () => ({
  iss: 'anyrag',
  aud: 'anyrag',
  sub: CLAIMS.userId,
  sid: CLAIMS.sessionId,
  jti: 'j',
  iat: nowSeconds(),
  exp: nowSeconds() + 600,
});

/** Signed by our own key, with fields changed or (undefined) left out. */
function ours(changes: { header?: object; payload?: object } = {}, key = privateKey): Promise<string> {
  return new SignJWT({ ...payload(), ...changes.payload })
    .setProtectedHeader({ ...header(), ...changes.header } as JWTHeaderParameters)
    .sign(key);
}

/** The valid token with its header replaced and the signature kept. */
function withHeader(changes: object): string {
  const [, body, signature] = valid.split('.');
  return [encode({ ...header(), ...changes }), body, signature].join('.');
}

function hmacSigned(changes: object, secret: string | Uint8Array): string {
  const text = `${encode({ ...header(), ...changes })}.${encode(payload())}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

function withSignatureBit(at: 'first' | 'middle'): string {
  const [head, body, signature] = valid.split('.');
  const bytes = Buffer.from(signature!, 'base64url');
  bytes[at === 'first' ? 0 : 32]! ^= 1;
  return [head, body, bytes.toString('base64url')].join('.');
}

describe('an access token', () => {
  test('of ours is accepted and says who', async () => {
    expect(await verifyAccessToken(keys, valid)).toEqual(CLAIMS);
  });

  test('made by hand as ours are is accepted, so that the refusals below have the reason they name', async () => {
    expect(await verifyAccessToken(keys, await ours())).toEqual(CLAIMS);
  });

  test('holds who and how long, and nothing about rights', () => {
    const [head, body] = valid.split('.');
    expect(decode(head!)).toEqual({ alg: 'EdDSA', kid, typ: 'at+jwt' });
    expect(Object.keys(decode(body!)).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);
    expect(decode(body!).exp - decode(body!).iat).toBe(600);
  });

  test.each<[string, Partial<ReturnType<typeof payload>>]>([
    ['with our audience among others', { aud: ['other', 'anyrag'] as never }],
    ['issued by a clock that is 3 s ahead', { iat: nowSeconds() + 3 }],
    ['that ended 2 s ago by another clock', { iat: nowSeconds() - 602, exp: nowSeconds() - 2 }],
  ])('%s is accepted', async (_, changes) => {
    expect(await verifyAccessToken(keys, await ours({ payload: changes }))).toEqual(CLAIMS);
  });
});

const REFUSED: [string, () => string | Promise<string>][] = [
  // Algorithm
  ['alg none, without a signature', () => `${encode({ ...header(), alg: 'none' })}.${encode(payload())}.`],
  ['alg None, in another case', () => `${encode({ ...header(), alg: 'None' })}.${encode(payload())}.`],
  ['alg none, with the old signature', () => withHeader({ alg: 'none' })],
  ['HS256 with the public key as PEM', async () => hmacSigned({ alg: 'HS256' }, await exportSPKI(publicKey))],
  [
    'HS256 with the public key as JWK',
    async () => hmacSigned({ alg: 'HS256' }, JSON.stringify(await exportJWK(publicKey))),
  ],
  [
    'HS256 with the bytes of the public key',
    async () => hmacSigned({ alg: 'HS256' }, Buffer.from((await exportJWK(publicKey)).x!, 'base64url')),
  ],
  ['HS256 with an empty key', () => hmacSigned({ alg: 'HS256' }, '')],
  ['RS256 in the header', () => withHeader({ alg: 'RS256' })],
  ['ES256, really signed', async () => ours({ header: { alg: 'ES256' } }, (await generateKeyPair('ES256')).privateKey)],
  ['no algorithm', () => withHeader({ alg: undefined })],
  // Key
  ['an unknown kid', () => ours({ header: { kid: 'unknown' } })],
  ['no kid', () => ours({ header: { kid: undefined } })],
  ['a kid that is a path', () => ours({ header: { kid: '../../../../dev/null' } })],
  ['a kid that is SQL', () => ours({ header: { kid: "' UNION SELECT 1 --" } })],
  ['a kid that every object has', () => ours({ header: { kid: '__proto__' } })],
  ['a kid that is a list', () => ours({ header: { kid: [kid] } })],
  ['our kid, another key', () => ours({}, foreign.privateKey)],
  [
    'a key of its own in jwk',
    async () => ours({ header: { jwk: await exportJWK(foreign.publicKey) } }, foreign.privateKey),
  ],
  [
    'a key of its own in jwk, no kid',
    async () => ours({ header: { kid: undefined, jwk: await exportJWK(foreign.publicKey) } }, foreign.privateKey),
  ],
  ['a key behind jku', () => ours({ header: { jku: 'http://127.0.0.1:1/jwks.json' } }, foreign.privateKey)],
  ['a certificate behind x5u', () => ours({ header: { x5u: 'http://127.0.0.1:1/cert' } }, foreign.privateKey)],
  // Header
  [
    'an extension that must be understood',
    () =>
      new SignJWT(payload())
        .setProtectedHeader({ ...header(), crit: ['urn:x'], 'urn:x': 1 })
        .sign(privateKey, { crit: { 'urn:x': true } }),
  ],
  ['an empty crit', () => withHeader({ crit: [] })],
  ['another type', () => ours({ header: { typ: 'JWT' } })],
  ['no type', () => ours({ header: { typ: undefined } })],
  // Claims
  ['another issuer', () => ours({ payload: { iss: 'https://accounts.example.com' } })],
  ['a list of issuers', () => ours({ payload: { iss: ['anyrag', 'other'] } })],
  ['another audience', () => ours({ payload: { aud: 'other' } })],
  ['no audience', () => ours({ payload: { aud: undefined } })],
  ['an end that has passed', () => ours({ payload: { iat: nowSeconds() - 1_000, exp: nowSeconds() - 60 } })],
  ['no end', () => ours({ payload: { exp: undefined } })],
  ['an end that is text', () => ours({ payload: { exp: '9999999999' } })],
  ['a beginning in the future', () => ours({ payload: { nbf: nowSeconds() + 60 } })],
  ['an issue in the future', () => ours({ payload: { iat: nowSeconds() + 60 } })],
  [
    'an issue long ago and a far end',
    () => ours({ payload: { iat: nowSeconds() - 86_400, exp: nowSeconds() + 86_400 } }),
  ],
  ['no time of issue', () => ours({ payload: { iat: undefined } })],
  ['no subject', () => ours({ payload: { sub: undefined } })],
  ['a subject that is a number', () => ours({ payload: { sub: 1 } })],
  ['no session', () => ours({ payload: { sid: undefined } })],
  ['a session that is a list', () => ours({ payload: { sid: ['session-1'] } })],
  ['no id', () => ours({ payload: { jti: undefined } })],
  // Signature and form
  ['a changed payload', () => valid.replace(/\.[^.]+\./, `.${encode({ ...payload(), sub: 'eve' })}.`)],
  ['a changed first bit of the signature', () => withSignatureBit('first')],
  ['a changed bit within the signature', () => withSignatureBit('middle')],
  ['no signature', () => valid.replace(/[^.]+$/, '')],
  ['two parts', () => valid.split('.').slice(0, 2).join('.')],
  ['four parts', () => `${valid}.x`],
  ['a payload that is a list', () => `${encode(header())}.${encode([])}.${valid.split('.')[2]}`],
  ['a payload that is no JSON', () => `${encode(header())}.${Buffer.from('{').toString('base64url')}.x`],
  ['nothing', () => ''],
  ['only dots', () => '..'],
];

test.each(REFUSED)('a token with %s is refused like any other', async (_, make) => {
  const error = await verifyAccessToken(keys, await make()).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'invalid_credentials', detail: 'The credentials are not valid' });
});
