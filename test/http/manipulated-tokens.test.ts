import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSigningKeys } from '../../src/access/index.ts';
import { accountDependencies } from '../harness/accounts.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';

/** A line of the data file: what is changed in a token that is good otherwise, and how it is answered. */
interface Case {
  token: string;
  /** Fields that are set, or left out where they are null. */
  header?: Record<string, unknown>;
  /** The same; times are in seconds from now. */
  payload?: Record<string, unknown>;
  signature?: keyof typeof SIGNATURES;
  expect: 200 | 401;
  roles?: string[];
}

const CASES: Case[] = readFileSync(join(import.meta.dirname, 'manipulated-tokens.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line));

let app: TestApp;
let ada: TestUser;
let ours: { kid: string; privateKey: CryptoKey; publicKey: CryptoKey };
let another: { publicKey: CryptoKey; privateKey: CryptoKey };

beforeAll(async () => {
  app = await createTestApp();
  ada = await app.registerUser();
  const { secrets } = await accountDependencies(app.db);
  const keys = await openSigningKeys({ db: app.db, secrets });
  const { kid, privateKey } = await keys.active();
  ours = { kid, privateKey, publicKey: (await keys.find(kid))! };
  another = await generateKeyPair('EdDSA', { extractable: true });
});
afterAll(() => app.close());

const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const hmac = (secret: string | Buffer) => (text: string) =>
  createHmac('sha256', secret).update(text).digest('base64url');

/** By what is signed, the text before the last dot; they answer the last part with its dot. */
const SIGNATURES = {
  'of the issued one': async () => `.${ada.token.split('.')[2]}`,
  'another key': async (text: string) => `.${await sign(text, another.privateKey)}`,
  rsa: async (text: string) => `.${await sign(text, (await generateKeyPair('RS256')).privateKey)}`,
  ecdsa: async (text: string) => `.${await sign(text, (await generateKeyPair('ES256')).privateKey)}`,
  'hmac by public PEM': async (text: string) => `.${hmac(await exportSPKI(ours.publicKey))(text)}`,
  'hmac by public JWK': async (text: string) => `.${hmac(JSON.stringify(await exportJWK(ours.publicKey)))(text)}`,
  'hmac by public bytes': async (text: string) =>
    `.${hmac(Buffer.from((await exportJWK(ours.publicKey)).x!, 'base64url'))(text)}`,
  'hmac by nothing': async (text: string) => `.${hmac('')(text)}`,
  'one bit off': async (text: string) => {
    const bytes = Buffer.from(await sign(text, ours.privateKey), 'base64url');
    bytes[32]! ^= 1;
    return `.${bytes.toString('base64url')}`;
  },
  empty: async () => '.',
  'left out': async () => '',
  'and another part': async (text: string) => `.${await sign(text, ours.privateKey)}.x`,
};

/** The signature of a text as it stands: the library that makes tokens would refuse to make most of these. */
async function sign(text: string, key: CryptoKey): Promise<string> {
  const name = key.algorithm.name;
  const parameters = name === 'ECDSA' ? { name, hash: 'SHA-256' } : name;
  return Buffer.from(await crypto.subtle.sign(parameters, key, Buffer.from(text))).toString('base64url');
}

async function tokenOf({ token, header = {}, payload = {}, signature }: Case): Promise<string> {
  if (token === 'as issued') return ada.token;
  const [issuedHeader, issuedPayload] = ada.token.split('.').slice(0, 2).map(decode);
  const changedHeader = changed(issuedHeader, header);
  if (changedHeader.jwk !== undefined) changedHeader.jwk = await exportJWK(another.publicKey);
  const text = `${encode(changedHeader)}.${encode(changed(issuedPayload, absolute(payload)))}`;
  const end = signature === undefined ? `.${await sign(text, ours.privateKey)}` : await SIGNATURES[signature](text);
  return text + end;
}

function changed(issued: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries({ ...issued, ...changes }).filter(([, value]) => value !== null);
  return Object.fromEntries(kept);
}

function absolute(payload: Record<string, unknown>): Record<string, unknown> {
  const times = ['iat', 'exp', 'nbf'];
  const now = Math.floor(Date.now() / 1_000);
  const inTime = (name: string, value: unknown) =>
    times.includes(name) && typeof value === 'number' ? now + value : value;
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, inTime(name, value)]));
}

test.each(CASES)('$token: $expect', async (given) => {
  const authorization = `Bearer ${await tokenOf(given)}`;
  const response = await app.inject({ url: '/auth/me', headers: { authorization } });
  expect(response.statusCode).toBe(given.expect);
  if (given.expect === 200) {
    expect(response.json()).toMatchObject({ user_id: ada.userId, system_roles: given.roles ?? [] });
    return;
  }
  const { code, detail } = response.json();
  expect({ code, detail }).toEqual({ code: 'invalid_credentials', detail: 'The credentials are not valid' });
});

test('there are more than 28 cases, and no two of them are one', () => {
  expect(CASES.filter(({ expect: status }) => status === 401).length).toBeGreaterThan(28);
  expect(new Set(CASES.map((given) => JSON.stringify([given.header, given.payload, given.signature]))).size).toBe(
    CASES.length - 1,
  );
});
