import { createOidcProvider, type OidcProvider } from '../accounts/index.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors/app-error.ts';
import { createMailer, type Mailer } from '../mail/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import { isLoopback } from './platform.ts';

/**
 * Where users find the server. Throws `AppError` config_invalid where links and identity providers need it and the address it
 * listens on does not tell.
 */
export function publicUrlOf(config: Config): string {
  if (config.publicUrl !== null) return config.publicUrl;
  const isNeeded = config.smtpUrl !== null || config.oidcProviders.length > 0;
  if (isNeeded && !isLoopback(config.host)) {
    throw new AppError(
      'config_invalid',
      `Mail and identity providers need links, and HOST=${config.host} is no address for them: set PUBLIC_URL.`,
    );
  }
  return `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`;
}

/** Null: no mail is sent. Throws `AppError` config_invalid. */
export function mailerOf({ smtpUrl, mailFrom }: Config): Mailer | null {
  return smtpUrl === null ? null : createMailer({ url: smtpUrl, from: mailFrom });
}

export function oidcProvidersOf({ oidcProviders }: Config, log: Logger): ReadonlyMap<string, OidcProvider> {
  return new Map(oidcProviders.map((settings) => [settings.name, createOidcProvider(settings, log)]));
}

/** Says how much an account is worth here. */
export function logTrustInAddresses({ smtpUrl, registration }: Config, log: Logger): void {
  if (smtpUrl !== null || registration !== 'open') return;
  log.warn(
    { event: 'accounts.addresses_assumed' },
    'SMTP_URL is not set: e-mail addresses are not verified, and accounts count as proven',
  );
}
