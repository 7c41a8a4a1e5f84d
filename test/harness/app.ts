import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { authenticate, type SystemRole } from '../../src/access/index.ts';
import type { OidcDependencies } from '../../src/accounts/index.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { Database } from '../../src/db/database.ts';
import { pingDatabase } from '../../src/db/ping.ts';
import { type Row, type Statement, sql } from '../../src/db/sql.ts';
import { type AppDependencies, buildApp } from '../../src/http/app.ts';
import { ingestionRules, outboundRules } from '../../src/ingestion/index.ts';
import type { Mailer } from '../../src/mail/index.ts';
import type { ChatModel, EmbeddingModel } from '../../src/providers/index.ts';
import { createTokenMeter } from '../../src/quotas/index.ts';
import { openDirectoryStorage } from '../../src/storage/index.ts';
import { PrometheusMetrics, renderMetrics } from '../../src/telemetry/prometheus.ts';
import { createHandlers } from '../../src/worker/handlers.ts';
import { accountDependencies, TEST_PASSWORD } from './accounts.ts';
import { type Contract, createContract } from './contract.ts';
import { createTestDatabase } from './database.ts';
import { runJob, runReadyJobs } from './run-jobs.ts';

export interface TestAppOptions {
  allowGuestRead?: boolean;
  allowGuestIngestion?: boolean;
  maxUploadBytes?: number;
  /** Default: no limits. */
  ratePerMinute?: number;
  trustProxy?: string[];
  embeddingModel?: EmbeddingModel;
  chatModel?: ChatModel;
  auth?: Partial<OidcDependencies>;
  /** Default: none. */
  mailer?: Mailer;
  /** Environment variables of the settings that this test is about. */
  settings?: Record<string, string>;
  /** Last word on everything the app gets, for faults. */
  change?: (deps: AppDependencies) => Partial<AppDependencies>;
}

export interface TestUser {
  userId: string;
  email: string;
  token: string;
  /** The header that says who it is. */
  authorization: string;
}

export interface TestApp {
  readonly app: FastifyInstance;
  readonly db: Database;
  readonly contract: Contract;
  /** Every line of the log so far, as it was written. */
  readonly logLines: readonly string[];
  /** Sends a request past the network. Throws when the answer is not what the OpenAPI document declares. */
  inject(request: InjectOptions & { as?: TestUser | undefined }): Promise<LightMyRequestResponse>;
  registerUser(email?: string): Promise<TestUser>;
  /** Somebody new with this system role. */
  registerWithRole(role: SystemRole): Promise<TestUser>;
  /** An API key of the user with these scopes, to be used in the user's place. */
  createKey(user: TestUser, scopes: string[]): Promise<TestUser>;
  /** Adds a text and runs its job to the end; answers the document's id. */
  ingestText(user: TestUser | undefined, body: { text: string } & Record<string, unknown>): Promise<string>;
  /** Runs this job, and none that waits beside it. */
  runJob(jobId: string): Promise<void>;
  /** Runs every job that is ready. */
  runJobs(): Promise<void>;
  /** Rows that no route makes yet. */
  execute(...statements: Statement[]): Promise<Row[][]>;
  /** Paths of all files in the storage, those half written too. */
  storedFiles(): Promise<string[]>;
  /** Opens a port on loopback and answers its URL. */
  listen(): Promise<string>;
  /** May be changed at any time. */
  readonly guests: { allowGuestRead: boolean; allowGuestIngestion: boolean };
  /** What the process does first when it is told to stop. */
  announceStop(): void;
  close(): Promise<void>;
}

export const TEST_METRICS_TOKEN = 'token-of-the-metrics';

let users = 0;

/** The real application on a migrated database and a storage of its own, without a port until `listen` is called. */
export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-app-'));
  const { db } = database;
  // Tests pick the job they run, whatever others they have left waiting.
  const settings = {
    DATA_DIR: directory,
    EMBEDDING_PROVIDER: 'none',
    INGEST_MAX_PER_USER: '1000',
    ...options.settings,
  };
  const config = loadConfig(settings, directory);
  const storage = await openDirectoryStorage(join(directory, 'files'));
  const temporaryDirectory = join(directory, 'tmp');
  await mkdir(temporaryDirectory);
  const auth = await accountDependencies(db, { sendsMail: options.mailer !== undefined, ...options.auth });
  const embeddingModel = options.embeddingModel ?? null;
  const { secrets, publicUrl } = auth;
  const mailer = options.mailer ?? null;
  const handlers = createHandlers(
    { db, storage, embeddingModel, temporaryDirectory, secrets, mailer, publicUrl },
    config,
  );
  const logLines: string[] = [];
  const recorder = new PrometheusMetrics({ onFailed: (error) => logLines.push(String(error)) });
  const stopping = new AbortController();
  const access = {
    allowGuestRead: options.allowGuestRead ?? false,
    allowGuestIngestion: options.allowGuestIngestion ?? false,
    authenticate: (header: string) => authenticate(auth, header),
  };
  const deps: AppDependencies = {
    log: pino({ level: 'debug' }, lineCollector(logLines)),
    version: '0.0.0-test',
    access,
    auth,
    answers: {
      db,
      embeddingModel,
      queryVectors: { cache: auth.cache, key: auth.secrets.queryKey },
      chatModel: options.chatModel ?? null,
      tokens: createTokenMeter(db, ingestionRules(config).quotas),
      onDegraded() {},
      onDroppedCitations() {},
    },
    storage,
    checks: { database: () => pingDatabase(db) },
    checkUrl: (url) => void outboundRules([]).check(url),
    maxUploadBytes: options.maxUploadBytes ?? config.maxUploadBytes,
    rules: ingestionRules(config),
    ratePerMinute: options.ratePerMinute ?? null,
    trustProxy: options.trustProxy ?? [],
    stopping: stopping.signal,
    metrics: {
      recorder,
      export: {
        access: { token: TEST_METRICS_TOKEN, isBehindProxy: options.trustProxy !== undefined },
        render: async (format) => renderMetrics([{ process: 'api', metrics: await recorder.snapshot() }], format),
      },
    },
  };
  const app = await buildApp({ ...deps, ...options.change?.(deps) });
  await app.ready();
  const contract = createContract(JSON.parse((await app.inject('/openapi.json')).body));

  async function inject({ as, ...request }: InjectOptions & { as?: TestUser | undefined }) {
    const headers = { ...(as && { authorization: as.authorization }), ...request.headers };
    const response = await app.inject({ ...request, headers });
    assertDeclared(contract, request, response);
    return response;
  }

  async function registerUser(email = `user-${++users}@example.com`): Promise<TestUser> {
    const response = await inject({
      method: 'POST',
      url: '/auth/register',
      payload: { email, password: TEST_PASSWORD },
    });
    const { user, access_token: token } = expectStatus(response, 201);
    return { userId: user.user_id, email, token, authorization: `Bearer ${token}` };
  }

  async function registerWithRole(role: SystemRole): Promise<TestUser> {
    const user = await registerUser();
    await db.batch([sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${user.userId}, ${role}, 0)`]);
    return user;
  }

  async function createKey(user: TestUser, scopes: string[]): Promise<TestUser> {
    const payload = { name: 'test', scopes };
    const { secret } = expectStatus(await inject({ method: 'POST', url: '/auth/api-keys', as: user, payload }), 201);
    return { ...user, token: secret, authorization: `Bearer ${secret}` };
  }

  async function ingestText(user: TestUser | undefined, payload: { text: string }): Promise<string> {
    const accepted = expectStatus(await inject({ method: 'POST', url: '/ingest/text', as: user, payload }), 202);
    await runJob(db, handlers, accepted.job_id);
    return accepted.document_id;
  }

  return {
    app,
    db,
    contract,
    logLines,
    inject,
    registerUser,
    registerWithRole,
    createKey,
    ingestText,
    runJob: (jobId) => runJob(db, handlers, jobId),
    runJobs: () => runReadyJobs(db, handlers),
    execute: (...statements) => db.batch(statements),
    storedFiles: () => filesUnder(join(directory, 'files')),
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    guests: access,
    announceStop: () => stopping.abort(),
    async close() {
      stopping.abort();
      app.server.closeAllConnections();
      await app.close();
      await database.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** `METHOD /path/:parameter` of everything the application answers, the twins of GET for HEAD left out. */
export function registeredRoutes(app: FastifyInstance): string[] {
  const segments: string[] = [];
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const match = /^(?<indent>.*?)[├└]── (?<segment>\S+)(?: \((?<methods>[^)]+)\))?/.exec(line);
      if (match === null) return [];
      const { indent, segment, methods = '' } = match.groups as Record<string, string>;
      const depth = indent!.length / 4;
      segments.splice(depth, Number.POSITIVE_INFINITY, segment!);
      const path = segments.join('').replaceAll('//', '/');
      return methods
        .split(', ')
        .filter((method) => method !== '' && method !== 'HEAD')
        .map((method) => `${method} ${path}`);
    });
}

function assertDeclared(contract: Contract, request: InjectOptions, response: LightMyRequestResponse): void {
  const complaints = contract.complaintsAbout({
    method: request.method ?? 'GET',
    url: request.url as string,
    status: response.statusCode,
    headers: response.headers,
    text: response.body,
  });
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of any route.
function expectStatus(response: LightMyRequestResponse, status: number): any {
  if (response.statusCode !== status) throw new Error(`${response.statusCode} instead of ${status}: ${response.body}`);
  return response.json();
}

async function filesUnder(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function lineCollector(lines: string[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString('utf8'));
      done();
    },
  });
}
