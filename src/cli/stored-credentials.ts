import { type Credentials, ProblemError, type SignedIn } from '../client/index.ts';
import type { CredentialStore, StoredLogin } from './credential-store.ts';

/** A token that ends within this time could end on the way. */
const MARGIN_MS = 30_000;

export function toStoredLogin(signedIn: SignedIn): StoredLogin {
  return {
    email: signedIn.user.email,
    access_token: signedIn.access_token,
    access_expires_at: Date.now() + signedIn.expires_in * 1_000,
    refresh_token: signedIn.refresh_token,
  };
}

/** Requests act as whoever signed in; the access token is refreshed when it has ended, by one process at a time. */
export function storedCredentials(
  store: CredentialStore,
  server: string,
  refresh: (refreshToken: string) => Promise<SignedIn>,
): Credentials {
  async function renew(outdated: string): Promise<string | null> {
    let token: string | null = null;
    await store.change(server, async (current) => {
      // Another process was faster, or has signed out.
      const isNews = current?.access_token !== outdated;
      const next = isNews ? current : await refreshed(current);
      token = next?.access_token ?? null;
      return next;
    });
    return token;
  }

  /** A session that has ended is forgotten: trying its tokens again would never help. */
  async function refreshed(login: StoredLogin): Promise<StoredLogin | null> {
    try {
      return toStoredLogin(await refresh(login.refresh_token));
    } catch (error) {
      if (error instanceof ProblemError && error.problem.status === 401) return null;
      throw error;
    }
  }

  return {
    async token() {
      const login = await store.read(server);
      if (login === null) return null;
      return login.access_expires_at - Date.now() > MARGIN_MS ? login.access_token : renew(login.access_token);
    },
    renew,
  };
}
