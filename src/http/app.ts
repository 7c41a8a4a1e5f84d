import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { AnswerDependencies } from '../answers/index.ts';
import { AppError } from '../errors/app-error.ts';
import type { IngestionRules } from '../ingestion/index.ts';
import type { Storage } from '../storage/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Metrics, NO_METRICS } from '../telemetry/metrics.ts';
import type { App } from './app-types.ts';
import { answerClientError } from './client-error.ts';
import { completeSchemas, describeApi } from './openapi.ts';
import { limitBodyTime } from './plugins/limit-body-time.ts';
import { limitRates } from './plugins/limit-rates.ts';
import { RefusalLimit } from './plugins/limit-refusals.ts';
import { measureRequest, measureRequests } from './plugins/measure-requests.ts';
import { recordDenials } from './plugins/record-denials.ts';
import { type AccessRules, requireAccess } from './plugins/require-access.ts';
import { beginTrace, requestIdOf, traceRequests } from './plugins/trace-requests.ts';
import { sendNotFound, sendProblem } from './problem.ts';
import { adminRoutes } from './routes/admin/routes.ts';
import { type AuthRouteDependencies, authRoutes } from './routes/auth/routes.ts';
import { documentRoutes } from './routes/documents/routes.ts';
import { groupRoutes } from './routes/groups/routes.ts';
import { healthRoutes, type ReadinessChecks } from './routes/health/routes.ts';
import { ingestRoutes } from './routes/ingest/routes.ts';
import { jobRoutes } from './routes/jobs/routes.ts';
import { type MetricsExport, metricsRoutes } from './routes/metrics/routes.ts';
import { policyRoutes } from './routes/policies/routes.ts';
import { queueRoutes } from './routes/queues/routes.ts';
import { quotaRoutes } from './routes/quotas/routes.ts';
import { searchRoutes } from './routes/search/routes.ts';
import { shareRoutes } from './routes/shares/routes.ts';
import { ownAccountRoutes } from './routes/users/own-account-routes.ts';
import { userRoutes } from './routes/users/routes.ts';

export interface AppDependencies {
  log: Logger;
  version: string;
  access: AccessRules;
  auth: AuthRouteDependencies;
  answers: AnswerDependencies;
  storage: Storage;
  checks: ReadinessChecks;
  checkUrl(url: string): void;
  maxUploadBytes: number;
  rules: IngestionRules;
  /** Until a JSON body is whole. Default 30,000. */
  jsonBodyTimeoutMs?: number;
  /** Null: no limits. */
  ratePerMinute: number | null;
  trustProxy: readonly string[];
  /** Aborts when the server begins to stop. */
  stopping: AbortSignal;
  /** Undefined: nothing is measured. */
  metrics?: { recorder: Metrics; export: MetricsExport };
}

/** Small JSON bodies: what is long is uploaded. */
const JSON_BODY_BYTES = 1_048_576;
const JSON_BODY_TIMEOUT_MS = 30_000;
/** Longer than a model may think about an answer; event streams have a heartbeat. */
const SILENT_CONNECTION_MS = 600_000;
const MAX_FORM_FIELDS = 100;
const MAX_FIELD_BYTES = 65_536;

/** The whole API without a port, so that tests can inject requests. */
export async function buildApp(deps: AppDependencies): Promise<FastifyInstance> {
  const recorder = deps.metrics?.recorder ?? NO_METRICS;
  const server = Fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: (request) => requestIdOf(request.headers),
    trustProxy: deps.trustProxy.length === 0 ? false : [...deps.trustProxy],
    bodyLimit: JSON_BODY_BYTES,
    // A large upload may take its time as long as something arrives; who goes silent is cut.
    requestTimeout: 0,
    connectionTimeout: SILENT_CONNECTION_MS,
    routerOptions: { maxParamLength: 200 },
    // A request that comes while the server stops is served like the others; the framework's own 503 is no problem of ours.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      beginTrace(request, reply as never);
      measureRequest(recorder, request, reply as never);
      sendProblem(error, request, reply as never);
    },
  });
  const app = server.withTypeProvider() as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(sendNotFound);
  // A text body would reach the handlers without having met a schema.
  app.removeContentTypeParser('text/plain');
  readJson(app);

  traceRequests(app);
  if (deps.metrics !== undefined) measureRequests(app, recorder);
  await app.register(helmet, {
    // Plain HTTP on loopback and behind a proxy is how anyrag runs; this directive would break its page there.
    contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null } },
  });
  await app.register(multipart, {
    limits: { files: 2, fields: MAX_FORM_FIELDS, fieldSize: MAX_FIELD_BYTES, fileSize: deps.maxUploadBytes + 1 },
  });
  limitBodyTime(app, { ms: deps.jsonBodyTimeoutMs ?? JSON_BODY_TIMEOUT_MS });
  const refusals = deps.ratePerMinute === null ? null : new RefusalLimit({ perMinute: deps.ratePerMinute });
  // Before a body is read: nobody has to say who they are to send one there.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return undefined;
    refusals?.count(request);
    return sendNotFound(request, reply);
  });
  await describeApi(app, deps.version);
  await app.register(async (scope) => {
    const routes = scope as unknown as App;
    completeSchemas(routes);
    requireAccess(routes, deps.access, (request) => refusals?.count(request));
    recordDenials(routes, { db: deps.answers.db });
    if (deps.ratePerMinute !== null) await limitRates(routes, { perMinute: deps.ratePerMinute });
    healthRoutes(routes, deps.checks);
    metricsRoutes(routes, {
      metrics: deps.metrics?.export ?? null,
      onRefused: (request) => refusals?.count(request),
    });
    authRoutes(routes, deps.auth);
    ingestRoutes(routes, { ...deps, db: deps.answers.db });
    jobRoutes(routes, { db: deps.answers.db, stopping: deps.stopping });
    queueRoutes(routes, { db: deps.answers.db });
    documentRoutes(routes, { db: deps.answers.db, storage: deps.storage, ...deps.rules });
    policyRoutes(routes, { db: deps.answers.db });
    quotaRoutes(routes, { db: deps.answers.db, quotas: deps.rules.quotas });
    searchRoutes(routes, deps.answers);
    groupRoutes(routes, deps.auth);
    shareRoutes(routes, { db: deps.answers.db, quotas: deps.rules.quotas });
    userRoutes(routes, deps.auth);
    ownAccountRoutes(routes, { auth: deps.auth, storage: deps.storage, quotas: deps.rules.quotas });
    adminRoutes(routes, { db: deps.answers.db });
    routes.get(
      '/openapi.json',
      { config: { access: { kind: 'open' } }, schema: { hide: true } },
      async (_request, reply) => reply.type('application/json').send(JSON.stringify(server.swagger())),
    );
  });
  return server as unknown as FastifyInstance;
}

/**
 * Bytes that are no UTF-8 are refused rather than replaced. Many clients announce JSON whether they send any or not, so an
 * empty body is none; a route that needs one says so by its schema.
 */
function readJson(app: App): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = utf8.decode(body as Buffer);
    } catch (error) {
      return done(new AppError('malformed_request', 'The body is not valid UTF-8', { cause: error }));
    }
    void parse(request, text, done);
  });
}
