import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

// biome-ignore lint/suspicious/noExplicitAny: a JSON document that tests look into.
export type Json = any;

export interface Operation {
  method: string;
  /** As in the document: `/documents/{document_id}`. */
  path: string;
  // biome-ignore lint/suspicious/noExplicitAny: an operation object of OpenAPI.
  definition: any;
}

export interface Answered {
  method: string;
  url: string;
  status: number;
  headers: Record<string, string | number | string[] | undefined>;
  /** The whole body as text. */
  text: string;
}

/** The served OpenAPI document as a judge: what each route may answer, and whether an answer is that. */
export interface Contract {
  document: Json;
  operations: Operation[];
  operationOf(method: string, url: string): Operation | null;
  /** What is wrong with an answer, as sentences; none when it is as declared. */
  complaintsAbout(answer: Answered): string[];
  /** A check against any schema of the document, given as JSON pointer segments from its root. */
  schemaAt(...segments: string[]): ValidateFunction;
}

const ID = 'openapi.json';

export function createContract(document: Json): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  for (const format of ['email', 'password', 'binary', 'uri']) ajv.addFormat(format, true);
  ajv.addFormat('date-time', (text: string) => !Number.isNaN(Date.parse(text)));
  ajv.addSchema(document, ID);
  const operations: Operation[] = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, definition]) => ({ method: method.toUpperCase(), path, definition })),
  );
  const patterns = operations
    .map((operation) => ({ operation, pattern: patternOf(operation.path) }))
    // Fixed segments win over parameters, as in the router.
    .sort((a, b) => countOf(a.operation.path, '{') - countOf(b.operation.path, '{'));
  const compiled = new Map<string, ValidateFunction>();

  function schemaAt(...segments: string[]): ValidateFunction {
    const pointer = segments
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const known = compiled.get(pointer);
    if (known !== undefined) return known;
    const check = ajv.compile({ $ref: `${ID}#/${pointer}` });
    compiled.set(pointer, check);
    return check;
  }

  function operationOf(method: string, url: string): Operation | null {
    const path = url.replace(/^https?:\/\/[^/]+/, '').split('?', 1)[0]!;
    const wanted = method === 'HEAD' ? 'GET' : method;
    const match = patterns.find(({ operation, pattern }) => operation.method === wanted && pattern.test(path));
    return match?.operation ?? null;
  }

  function complaintsAbout(answer: Answered): string[] {
    return [...tracingComplaints(answer), ...bodyComplaints(answer)];
  }

  function bodyComplaints(answer: Answered): string[] {
    const operation = operationOf(answer.method, answer.url);
    if (operation === null) return answer.status >= 400 ? problemComplaints(answer) : [];
    const declared = operation.definition.responses[answer.status];
    const where = `${operation.method} ${operation.path} ${answer.status}`;
    if (declared === undefined) return [`${where} is not declared`];
    if (answer.method === 'HEAD') return [];
    const type = mediaTypeOf(answer);
    const content = declared.content as Json;
    if (content === undefined || Object.keys(content).length === 0) {
      return answer.text === '' ? [] : [`${where} has a body but declares none`];
    }
    const key = content[type] === undefined ? '*/*' : type;
    if (content[key] === undefined) return [`${where} is ${type}, declared are ${Object.keys(content).join(', ')}`];
    if (!/[/+]json$/.test(type)) return [];
    const check = schemaAt(
      'paths',
      operation.path,
      operation.method.toLowerCase(),
      'responses',
      String(answer.status),
      'content',
      type,
      'schema',
    );
    if (!check(JSON.parse(answer.text))) return [`${where}: ${ajv.errorsText(check.errors)} in ${answer.text}`];
    return answer.status >= 400 ? problemComplaints(answer) : [];
  }

  function problemComplaints(answer: Answered): string[] {
    if (answer.method === 'HEAD') return [];
    if (mediaTypeOf(answer) !== 'application/problem+json') return [`a ${answer.status} is ${mediaTypeOf(answer)}`];
    const problem: Json = JSON.parse(answer.text);
    const check: (data: unknown) => boolean = schemaAt('components', 'schemas', 'Problem');
    if (!check(problem)) return [`${JSON.stringify(problem)} is no problem`];
    const complaints = [];
    if (problem.status !== answer.status)
      complaints.push(`the problem says ${problem.status}, the answer ${answer.status}`);
    if (!answer.headers.traceparent?.toString().includes(problem.trace_id))
      complaints.push('another trace_id than the header');
    const retries = answer.status === 429 || answer.status === 503;
    if (retries && !/^[1-9]\d*$/.test(String(answer.headers['retry-after']))) complaints.push('no Retry-After');
    return complaints;
  }

  return { document, operations, operationOf, complaintsAbout, schemaAt };
}

function tracingComplaints({ headers }: Answered): string[] {
  const complaints = [];
  if (!/^[\w.-]{8,64}$/.test(String(headers['x-request-id']))) complaints.push('no x-request-id');
  if (!/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/.test(String(headers.traceparent))) complaints.push('no traceparent');
  return complaints;
}

function mediaTypeOf(answer: Answered): string {
  return String(answer.headers['content-type'] ?? '')
    .split(';', 1)[0]!
    .trim();
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{[^}]+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]+')}$`);
}

function countOf(text: string, char: string): number {
  return text.split(char).length - 1;
}
