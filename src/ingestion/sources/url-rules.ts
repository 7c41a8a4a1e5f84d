import { isIP } from 'node:net';
import { AppError } from '../../errors/app-error.ts';
import { isPublicAddress } from './address-rules.ts';

const USUAL_PORTS: ReadonlySet<string> = new Set(['80', '443']);

/**
 * What may be fetched. Hosts named in the list may have any address, private ones included: `host` at the ports 80 and
 * 443, `host:port` at that port as well. An IPv6 address is written in brackets.
 */
export interface OutboundRules {
  /** Whether the host may resolve to an address outside the public internet. */
  opensHost(hostname: string, port: string): boolean;
  /** The parsed URL, without its fragment. Throws `url_not_allowed`. */
  check(url: string): URL;
}

export function outboundRules(allow: readonly string[]): OutboundRules {
  const entries = new Set(allow.map((entry) => entry.trim().toLowerCase()).filter((entry) => entry !== ''));

  function opensHost(hostname: string, port: string): boolean {
    const host = canonicalHost(hostname);
    return entries.has(`${host}:${port}`) || (entries.has(host) && USUAL_PORTS.has(port));
  }

  function check(input: string): URL {
    const url = parseUrl(input);
    const port = portOf(url);
    if (url.username !== '' || url.password !== '') throw refused('A URL with a user name or password is not fetched.');
    if (opensHost(url.hostname, port)) return url;
    if (!USUAL_PORTS.has(port)) throw refused('Only the ports 80 and 443 are fetched from.');
    const literal = unbracketed(url.hostname);
    if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw refusedAddress();
    return url;
  }

  return { opensHost, check };
}

/** One sentence for every address refused, whether literal, resolved or connected: it must not tell what is inside. */
export function refusedAddress(): AppError {
  return refused('The host is not on the public internet.');
}

/** The port of a URL or of a connector's target, both of which leave out the usual one. */
export function portOf(url: { protocol: string; port: string }): string {
  if (url.port !== '') return url.port;
  return url.protocol === 'https:' ? '443' : '80';
}

export function unbracketed(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function parseUrl(input: string): URL {
  const url = URL.parse(input);
  if (url === null) throw refused('The URL is not valid.');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused('Only http and https URLs are fetched.');
  url.hash = '';
  return url;
}

/** `example.org.` and `example.org` are one host to DNS, and must be one to the list. */
function canonicalHost(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, '');
}

function refused(detail: string): AppError {
  return new AppError('url_not_allowed', detail);
}
