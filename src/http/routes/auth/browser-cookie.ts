import type { FastifyRequest } from 'fastify';

export interface BrowserCookie {
  /** What the browser brings back; null when it has none. */
  read(request: FastifyRequest): string | null;
  /** The header that gives it to the browser. */
  write(secret: string): string;
}

const NAME = 'anyrag_oidc';
/** As long as a sign-in elsewhere may take. */
const MAX_AGE_SECONDS = 600;

/**
 * The cookie that ties a sign-in at a provider to the browser that began it. It signs nobody in and no other route reads it.
 * `Lax`: it comes along when the provider sends the browser back, and with no request that another page makes. Over HTTPS the
 * prefix keeps other hosts of the domain from setting it.
 */
export function browserCookie(publicUrl: string): BrowserCookie {
  const isSecure = publicUrl.startsWith('https:');
  const name = isSecure ? `__Host-${NAME}` : NAME;
  return {
    read: ({ headers }) => valueIn(headers.cookie ?? '', name),
    write: (secret) =>
      `${name}=${secret}; Path=/; Max-Age=${MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`,
  };
}

function valueIn(header: string, name: string): string | null {
  const pair = header.split(';').find((part) => part.trimStart().startsWith(`${name}=`));
  return pair === undefined ? null : pair.slice(pair.indexOf('=') + 1).trim();
}
