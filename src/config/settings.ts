import { z } from 'zod';

/** One setting: how its text is read, its default, its unit, and the sentence that explains it. */
export interface Setting<T = unknown> {
  schema: z.ZodType<T>;
  /** As the documentation shows it. */
  defaultText: string;
  type: string;
  help: string;
  secret: boolean;
}

const boolean = z
  .union([z.boolean(), z.stringbool({ truthy: ['true', '1', 'yes', 'on'], falsy: ['false', '0', 'no', 'off'] })])
  .describe('true or false');

/** A number, or a text that is one: nothing else is taken for a number, as `true` or an empty list would be by coercion. */
const number = z
  .union(
    [
      z.number(),
      z
        .string()
        .trim()
        .regex(/^-?\d+(\.\d+)?$/)
        .transform(Number),
    ],
    'must be a number',
  )
  .pipe(z.number());

function text(fallback: string, help: string): Setting<string> {
  return make(z.string().trim().min(1).default(fallback), 'text', fallback, help);
}

function optionalText(help: string, secret = false): Setting<string | null> {
  return make(z.string().trim().min(1).nullable().default(null), 'text', '', help, secret);
}

/** Without the slash at the end. */
function optionalUrl(help: string): Setting<string | null> {
  const schema = z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .refine((url) => !/[?#]/.test(url), 'must have no query and no fragment')
    .transform((url) => url.replace(/\/+$/, ''))
    .nullable()
    .default(null);
  return make(schema, 'URL', '', help);
}

function integer(fallback: number, min: number, max: number, unit: string, help: string): Setting<number> {
  const schema = number.pipe(z.number().int().min(min).max(max)).default(fallback);
  return make(schema, `integer ${min}–${max}${unit === '' ? '' : `, ${unit}`}`, String(fallback), help);
}

function optionalNumber(min: number, max: number, help: string): Setting<number | null> {
  const schema = number.pipe(z.number().min(min).max(max)).nullable().default(null);
  return make(schema, `number ${min}–${max}`, '', help);
}

function optionalInteger(min: number, max: number, unit: string, help: string): Setting<number | null> {
  const schema = number.pipe(z.number().int().min(min).max(max)).nullable().default(null);
  return make(schema, `integer ${min}–${max}, ${unit}`, '', help);
}

function flag(fallback: boolean, help: string): Setting<boolean> {
  return make(boolean.default(fallback), 'true or false', String(fallback), help);
}

function choice<const T extends [string, ...string[]]>(
  values: T,
  fallback: T[number],
  help: string,
): Setting<T[number]> {
  return make(z.enum(values).default(fallback as never) as z.ZodType<T[number]>, values.join(' | '), fallback, help);
}

function list(help: string): Setting<string[]> {
  const fromText = z.string().transform((value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
  return make(z.union([z.array(z.string()), fromText]).default([]), 'comma-separated list', '', help);
}

/** Objects, given as JSON or, in `anyrag.yml`, as they are. */
function objects<T extends { name: string }>(item: z.ZodType<T>, type: string, help: string): Setting<T[]> {
  const fromJson = z.string().transform((value, context) => {
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'must be JSON' });
      return z.NEVER;
    }
  });
  const items = z.array(item).refine(differentNames, 'each name may be there once');
  const schema = z
    .union([z.array(z.unknown()), fromJson])
    .pipe(items)
    .default([]);
  return make(schema, type, '', help, true);
}

function make<T>(schema: z.ZodType<T>, type: string, defaultText: string, help: string, secret = false): Setting<T> {
  return { schema, type, defaultText, help, secret };
}

/** Plain HTTP shows everything that is said to whoever listens, so it is for this machine only. */
const isTrustedUrl = (text: string) => {
  const url = URL.parse(text);
  return (
    url?.protocol === 'https:' ||
    (url?.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
  );
};

const GOOGLE_ISSUER = 'https://accounts.google.com';

/** Secrets and claims travel to and from an issuer. */
const oidcProvider = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'name must be a word in lower case'),
    issuer: z.string().refine(isTrustedUrl, 'issuer must be an https URL').optional(),
    client_id: z.string().min(1),
    client_secret: z.string().min(1).optional(),
  })
  .transform(({ name, issuer, client_id, client_secret }) => ({
    name,
    issuer: issuer ?? (name === 'google' ? GOOGLE_ISSUER : null),
    clientId: client_id,
    clientSecret: client_secret ?? null,
  }))
  .refine(
    (provider): provider is typeof provider & { issuer: string } => provider.issuer !== null,
    'issuer is missing',
  );
const differentNames = (items: readonly { name: string }[]) =>
  new Set(items.map(({ name }) => name)).size === items.length;

/** What a database column and a JSON number can hold exactly. */
const MAX_QUOTA = Number.MAX_SAFE_INTEGER;

/** Every setting there is. `.env.example` and `docs/configuration.md` say the same, which a test compares. */
export const SETTINGS = {
  HOST: text('127.0.0.1', 'Address the API listens on. Anything but loopback needs a SECRET_KEY of your own.'),
  PORT: integer(9090, 0, 65535, '', 'Port of the API; 0 takes a free one and says which.'),
  DATA_DIR: text('./data', 'Directory for the database file, the stored originals and the generated secret.'),
  DATABASE_URL: optionalText(
    'Database: a file path or file: URL, or libsql://, https://, http:// for Turso or libsql-server. Default: anyrag.db in DATA_DIR.',
  ),
  DATABASE_AUTH_TOKEN: optionalText('Token for a database behind a URL.', true),
  DATABASE_DURABILITY: choice(
    ['normal', 'full'],
    'normal',
    'full: a commit survives power loss (slower); normal: it survives a crash of the process.',
  ),
  STORAGE_URL: optionalText('Directory of the original files. Default: files in DATA_DIR.'),
  SECRET_KEY: optionalText(
    'Master secret (32 characters or more) for pseudonyms, sealed fields and tokens. Made on first start for loopback use.',
    true,
  ),

  WORKERS: integer(1, 0, 64, 'processes', 'Worker processes that `anyrag up` starts.'),
  WORKER_CONCURRENCY: integer(2, 1, 64, 'jobs', 'Jobs one worker process runs at the same time.'),
  JOB_LEASE_MS: integer(
    15_000,
    500,
    600_000,
    'milliseconds',
    'How long a silent worker keeps its jobs before others take them over.',
  ),
  JOB_TIMEOUT_MS: integer(3_600_000, 1_000, 86_400_000, 'milliseconds', 'Longest run of one attempt of a job.'),
  JOB_RETENTION_DAYS: integer(30, 1, 3_650, 'days', 'How long finished jobs are kept.'),
  BACKUP_MAX_AGE_DAYS: integer(
    7,
    0,
    3_650,
    'days',
    'Days after which `anyrag doctor` misses an `anyrag backup`; 0 where backups are made otherwise.',
  ),
  JOB_RETENTION_COUNT: integer(
    1_000_000,
    0,
    100_000_000,
    'jobs',
    'Most finished jobs that are kept; the oldest go first.',
  ),
  JOB_MEMORY_MB: integer(
    2048,
    256,
    1_048_576,
    'MiB',
    'Most memory of one job; the files it parses have a limit of their own.',
  ),
  SHUTDOWN_GRACE_MS: integer(
    10_000,
    100,
    600_000,
    'milliseconds',
    'Time to finish running requests and jobs when stopping.',
  ),

  REGISTRATION: choice(['open', 'invite', 'closed'], 'open', 'Who may register an account.'),
  PUBLIC_URL: optionalUrl(
    'Base URL of the server as its users see it, for links and identity providers. Default: HOST and PORT, which is enough on one machine.',
  ),
  SMTP_URL: optionalText(
    'Mail server, such as smtp://user:password@mail.example.com:587. With it, e-mail addresses have to be verified.',
    true,
  ),
  MAIL_FROM: text('anyrag@localhost', 'Sender of mails: an address, or "name <address>".'),
  OIDC_PROVIDERS: objects(
    oidcProvider,
    'JSON list of {name, issuer, client_id, client_secret}',
    'OpenID Connect providers that people may sign in with; the issuer of google is known.',
  ),
  OIDC_RETURN_URLS: list('URLs that a sign-in at a provider may send the browser back to, each in full.'),
  ALLOW_GUEST_READ: flag(false, 'Callers without credentials may read and search public documents.'),
  ALLOW_GUEST_INGESTION: flag(
    false,
    'Callers without credentials may add public documents, which expire after 24 hours.',
  ),
  MAX_UPLOAD_BYTES: integer(104_857_600, 1, 10_737_418_240, 'bytes', 'Largest file that is accepted or fetched.'),
  RATE_LIMITS: flag(true, 'Limits requests per caller and route.'),
  RATE_LIMIT_PER_MINUTE: integer(600, 1, 1_000_000, 'requests a minute', 'Requests a caller may send to one route.'),
  PII_POLICY: choice(
    ['off', 'tag', 'mask'],
    'tag',
    'Personal data in documents: off: not looked for; tag: counted; mask: replaced before anything is stored, original included. Groups may be stricter.',
  ),
  QUOTA_USER_DOCUMENTS: optionalInteger(0, MAX_QUOTA, 'documents', 'Most documents of one user; no limit when empty.'),
  QUOTA_USER_BYTES: optionalInteger(0, MAX_QUOTA, 'bytes', 'Most bytes of originals of one user.'),
  QUOTA_USER_CHUNKS: optionalInteger(0, MAX_QUOTA, 'passages', 'Most passages of one user.'),
  QUOTA_USER_TOKENS_PER_DAY: optionalInteger(
    0,
    MAX_QUOTA,
    'tokens',
    'Most tokens of model providers that one user spends in a day (UTC).',
  ),
  QUOTA_GROUP_DOCUMENTS: optionalInteger(0, MAX_QUOTA, 'documents', 'Most documents that are shared with one group.'),
  QUOTA_GROUP_BYTES: optionalInteger(0, MAX_QUOTA, 'bytes', 'Most bytes of originals that are shared with one group.'),
  QUOTA_GROUP_CHUNKS: optionalInteger(0, MAX_QUOTA, 'passages', 'Most passages that are shared with one group.'),
  QUOTA_GROUP_TOKENS_PER_DAY: optionalInteger(
    0,
    MAX_QUOTA,
    'tokens',
    'Most tokens of model providers that embedding the documents of one group takes in a day (UTC).',
  ),
  INGEST_MAX_PER_USER: integer(
    4,
    1,
    1_000,
    'jobs',
    'Most jobs of one user that take content in at the same time; fewer than all slots of the workers leave room for others.',
  ),
  TRUST_PROXY: list('CIDR ranges of reverse proxies whose X-Forwarded-For is believed.'),
  OUTBOUND_ALLOW: list('Hosts (host or host:port) that may be fetched although their address is private.'),

  PARSE_TIMEOUT_MS: integer(600_000, 100, 86_400_000, 'milliseconds', 'Longest time for parsing one file.'),
  PARSE_MEMORY_MB: integer(1024, 64, 65_536, 'MiB', 'Most memory for parsing one file.'),
  PARSE_MAX_PAGES: integer(10_000, 1, 1_000_000, 'pages', 'Most pages of one file.'),
  PARSE_MAX_CHARS: integer(50_000_000, 1_000, 500_000_000, 'characters', 'Most text of one file.'),
  PARSE_MAX_EXPANDED_BYTES: integer(
    1_073_741_824,
    1_000,
    10_737_418_240,
    'bytes',
    'Most bytes that an archive format (docx, xlsx, epub …) may expand to.',
  ),

  EMBEDDING_PROVIDER: choice(
    ['packaged', 'openai', 'google', 'none'],
    'packaged',
    'packaged: the offline English encoder; openai: any OpenAI-compatible endpoint; none: keywords only.',
  ),
  EMBEDDING_URL: optionalText('Base URL of an OpenAI-compatible endpoint, such as http://localhost:11434/v1.'),
  EMBEDDING_MODEL: optionalText('Name of the embedding model.'),
  EMBEDDING_API_KEY: optionalText('Key for the embedding provider.', true),
  EMBEDDING_DIMENSIONS: optionalInteger(
    1,
    65_536,
    'numbers',
    'Dimensions of the vectors; asked of the model when empty.',
  ),
  EMBEDDING_WEIGHT: optionalNumber(0, 1, 'Weight of the vectors in hybrid search; each model has its own default.'),
  EMBEDDING_MAX_CHARS: optionalInteger(50, 100_000, 'characters', 'Longest text that the model reads whole.'),
  EMBEDDING_TIMEOUT_MS: integer(60_000, 100, 3_600_000, 'milliseconds', 'Longest wait for one embedding call.'),
  EMBEDDING_THREADS: optionalInteger(
    1,
    64,
    'threads',
    'Threads of the packaged encoder; one less than the cores when empty.',
  ),

  CHAT_PROVIDER: choice(
    ['none', 'openai', 'google', 'anthropic'],
    'none',
    'Model that writes answers; none: the best sentences are quoted.',
  ),
  CHAT_URL: optionalText('Base URL of an OpenAI-compatible endpoint.'),
  CHAT_MODEL: optionalText('Name of the chat model.'),
  CHAT_API_KEY: optionalText('Key for the chat provider.', true),
  CHAT_TIMEOUT_MS: integer(60_000, 100, 3_600_000, 'milliseconds', 'Longest wait for one answer.'),
  CHAT_MAX_PROMPT_CHARS: integer(
    24_000,
    1_000,
    10_000_000,
    'characters',
    'Most text of passages that is sent with a question.',
  ),

  LOG_LEVEL: choice(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'Least severe log lines that are written.',
  ),

  METRICS: flag(true, 'Measures and serves metrics for Prometheus at /metrics.'),
  METRICS_TOKEN: make(
    z.string().trim().min(16, 'must have 16 characters or more').nullable().default(null),
    'text of 16 characters or more',
    '',
    'Bearer token for /metrics. Without it only this machine may read them, and nobody behind TRUST_PROXY.',
    true,
  ),
  WORKER_METRICS_PORT: optionalInteger(
    1,
    65_535,
    'port',
    'Port at HOST on which a worker that `anyrag up` has not started serves its own metrics.',
  ),
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;

/** Environment variables that share a guarded prefix but belong to the command-line client, not to the server. */
export const CLIENT_VARIABLES: ReadonlySet<string> = new Set(['ANYRAG_URL', 'ANYRAG_API_KEY', 'ANYRAG_CONFIG']);
/** Within these prefixes an unknown variable is a typo that would silently change security or models. */
export const GUARDED_PREFIXES = ['EMBEDDING_', 'CHAT_', 'ALLOW_', 'PII_', 'QUOTA_', 'OIDC_', 'ANYRAG_'] as const;
