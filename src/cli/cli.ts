import { join } from 'node:path';
import { type Client, type Credentials, createClient } from '../client/index.ts';
import { AppError } from '../errors/app-error.ts';
import { type CredentialStore, openCredentialStore } from './credential-store.ts';
import { failureOf } from './failure.ts';
import type { Output, Terminal } from './output.ts';
import { storedCredentials } from './stored-credentials.ts';
import { UsageError } from './usage-error.ts';

export const DEFAULT_SERVER_URL = 'http://127.0.0.1:9090';

/** What the process around the commands gives them. */
export interface CliEnvironment extends Terminal {
  version: string;
  /** ANYRAG_URL; null: the default. */
  serverUrl: string | null;
  /** ANYRAG_API_KEY; null: the stored sign-in. */
  apiKey: string | null;
  /** The user's folder for configuration, in which we have one of our own. */
  configDirectory: string;
}

/** What every command works with. */
export interface Cli {
  environment: CliEnvironment;
  output: Output;
  store: CredentialStore;
  /** The URL of the server: the option, the environment, the default. */
  server(): string;
  /** As whoever the environment or the store says. */
  client(): Client;
  /** As whoever signed in, whatever the environment says. */
  sessionClient(): Client;
  /** Without credentials. */
  guestClient(): Client;
}

export function createCli(environment: CliEnvironment, output: Output, urlOption: () => string | undefined): Cli {
  const store = openCredentialStore(join(environment.configDirectory, 'anyrag', 'credentials.json'));
  const guest: Credentials = { token: async () => null, renew: async () => null };

  function server(): string {
    const option = urlOption();
    if (option !== undefined) {
      return normalUrl(option) ?? refuse(new UsageError(`--url must be an http or https URL, not "${option}"`));
    }
    const url = environment.serverUrl ?? DEFAULT_SERVER_URL;
    return normalUrl(url) ?? refuse(new AppError('config_invalid', 'ANYRAG_URL must be an http or https URL.'));
  }

  const clientWith = (credentials: Credentials) =>
    createClient({
      url: server(),
      credentials,
      onPostponed: (reason) => {
        const { detail, code } = failureOf(reason);
        if (!output.isJson) output.note(`Note: ${detail} (${code}); trying again for up to a minute.`);
      },
    });

  const guestClient = () => clientWith(guest);

  const sessionClient = () => clientWith(storedCredentials(store, server(), guestClient().refresh));

  function client(): Client {
    const { apiKey } = environment;
    if (apiKey === null) return sessionClient();
    // What cannot be in a header would come back in the text of an error, with the key in it.
    if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new AppError('config_invalid', 'ANYRAG_API_KEY is not an API key.');
    return clientWith({ token: async () => apiKey, renew: async () => null });
  }

  return { environment, output, store, server, client, sessionClient, guestClient };
}

/** One spelling for each server, since sign-ins are stored under it. */
function normalUrl(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  if (url.username !== '' || url.password !== '') return null;
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function refuse(error: Error): never {
  throw error;
}
