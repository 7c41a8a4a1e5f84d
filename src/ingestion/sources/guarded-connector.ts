import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { buildConnector } from 'undici';
import { isPublicAddress } from './address-rules.ts';
import { type OutboundRules, portOf, refusedAddress, unbracketed } from './url-rules.ts';

/** All addresses of a host name, as `dns.lookup` with `all` gives them. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** Opens the connection to a host; undici's own connector unless a test stands in for a resolver that lies. */
export type Dial = (lookup: LookupFunction, timeoutMs: number) => buildConnector.connector;

export interface ConnectorOptions {
  rules: OutboundRules;
  connectTimeoutMs: number;
  resolve?: Resolve;
  dial?: Dial;
}

/**
 * The place where an address becomes a connection, and so the only one where a check holds: a name resolved earlier may
 * resolve to something else now (DNS rebinding), and a literal address never reaches a lookup function at all.
 * Checked are the literal, every answer of the resolver (the system may try any of them), and the peer of the socket
 * before a byte of the request is written. Fails with `url_not_allowed`.
 */
export function guardedConnector(options: ConnectorOptions): buildConnector.connector {
  const { rules, connectTimeoutMs, resolve = resolveBySystem, dial = dialWithUndici } = options;

  return (target, callback) => {
    if (rules.opensHost(target.hostname, portOf(target))) {
      return dial(lookupWith(resolve), connectTimeoutMs)(target, callback);
    }
    const literal = unbracketed(target.hostname);
    if (isIP(literal) !== 0 && !isPublicAddress(literal)) return callback(refusedAddress(), null);
    return dial(lookupWith(onlyPublic(resolve)), connectTimeoutMs)(target, (...outcome) => {
      const [error, socket] = outcome;
      if (error === null && !isPublicPeer(socket)) {
        socket.destroy();
        return callback(refusedAddress(), null);
      }
      return callback(...outcome);
    });
  };
}

function isPublicPeer(socket: Socket): boolean {
  return socket.remoteAddress !== undefined && isPublicAddress(socket.remoteAddress);
}

function onlyPublic(resolve: Resolve): Resolve {
  return async (hostname) => {
    const answers = await resolve(hostname);
    if (!answers.every((answer) => isPublicAddress(answer.address))) throw refusedAddress();
    return answers;
  };
}

async function resolveBySystem(hostname: string): Promise<readonly LookupAddress[]> {
  return await systemLookup(hostname, { all: true, order: 'verbatim' });
}

function dialWithUndici(lookup: LookupFunction, timeoutMs: number): buildConnector.connector {
  return buildConnector({ lookup, timeout: timeoutMs, allowH2: false, autoSelectFamily: true });
}

/** Adapts a `Resolve` to the callback that sockets call, in both of its forms (one address, or all). */
function lookupWith(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (answers) => {
        const [first] = answers;
        if (first === undefined) return callback(notFound(hostname), '', 0);
        if (options.all === true) return callback(null, [...answers]);
        return callback(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`No address for ${hostname}`), { code: 'ENOTFOUND' });
}
