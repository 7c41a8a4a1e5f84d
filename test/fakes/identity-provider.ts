import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider from 'oidc-provider';

/** A person as the provider knows them. */
export interface Person {
  sub: string;
  email?: string;
  email_verified?: boolean;
  name?: string;
}

export interface FakeIdentityProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Who sits at the browser. */
  person: Person;
  /** Publishes keys that it does not sign with. */
  publishesOtherKeys: boolean;
  /** The person refuses. */
  isRefusing: boolean;
  /** Follows a sign-in from its first URL to the answer, as a browser does; answers the URL that leads back to the client. */
  visit(authorizationUrl: string): Promise<URL>;
  /** Ada sits at the browser again, and the provider does as it should. */
  reset(): void;
  close(): Promise<void>;
}

const BEGINNING = {
  person: { sub: 'ada-at-provider', email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace' },
  publishesOtherKeys: false,
  isRefusing: false,
};

/** A certified OpenID Connect provider on loopback whose people sign in without being asked. */
export async function startFakeIdentityProvider(redirectUri: string): Promise<FakeIdentityProvider> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [clientId, clientSecret] = ['anyrag', 'the-secret-of-the-client'];
  keys ??= makeKeys();
  const { ours, others } = await keys;
  const fake: FakeIdentityProvider = {
    issuer,
    clientId,
    clientSecret,
    ...BEGINNING,
    visit: (url) => followRedirects(url, redirectUri),
    reset: () => void Object.assign(fake, BEGINNING),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const provider = new Provider(issuer, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
    jwks: { keys: [ours] },
    cookies: { keys: ['for-tests'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_context, sub) => ({ accountId: sub, claims: async () => ({ ...fake.person, sub }) }),
    async loadExistingGrant(context) {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client!.clientId,
        accountId: context.oidc.session!.accountId!,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  provider.use(async (context, next) => {
    if (context.path.startsWith('/interaction/')) {
      const result = fake.isRefusing ? { error: 'access_denied' } : { login: { accountId: fake.person.sub } };
      context.respond = false;
      return provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
    }
    await next();
    if (fake.publishesOtherKeys && context.path === '/jwks') context.body = { keys: [others] };
  });
  server.on('request', provider.callback());
  return fake;
}

/** RSA, as most providers have it; it takes a while to make. */
let keys: Promise<{ ours: JWK; others: JWK }> | null = null;

async function makeKeys(): Promise<{ ours: JWK; others: JWK }> {
  const [ours, others] = await Promise.all([1, 2].map(() => generateKeyPair('RS256', { extractable: true })));
  const description = { kid: 'signing', alg: 'RS256', use: 'sig' };
  return {
    ours: { ...(await exportJWK(ours!.privateKey)), ...description },
    others: { ...(await exportJWK(others!.publicKey)), ...description },
  };
}

const MAX_HOPS = 10;

async function followRedirects(start: string, end: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(start);
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    if (url.href.startsWith(end)) return url;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const text of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!;
      cookies.set(name!, value!);
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`the provider answered ${response.status}: ${await response.text()}`);
    url = new URL(location, url);
  }
  throw new Error('the provider sends in circles');
}
