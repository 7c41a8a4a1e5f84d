import { CommanderError } from 'commander';
import { ProblemError, TimedOutError, UnexpectedAnswerError, UnreachableError } from '../client/index.ts';
import { AppError, type FieldError } from '../errors/app-error.ts';
import type { Exit } from './exit-codes.ts';
import { UsageError } from './usage-error.ts';

/** What went wrong, for the exit code, for people, and for programs. */
export interface Failure {
  exit: Exit;
  code: string;
  detail: string;
  /** Further sentences: the fields that are wrong, and what to do. */
  hints: string[];
  /** The problem as the server said it, or one made like it. */
  problem: Record<string, unknown>;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ProblemError) return refusal(error);
  if (error instanceof AppError) return ownError(error);
  const [exit, code] = kindOf(error);
  const detail = error instanceof Error ? error.message : String(error);
  const hints = exit === 'unreachable' ? ['Start it with "anyrag up", or name another with --url or ANYRAG_URL.'] : [];
  return { exit, code, detail, hints, problem: { code, detail } };
}

function refusal({ problem }: ProblemError): Failure {
  const { code, status, errors = [], trace_id } = problem;
  const { detail, hints } = explain(problem.detail, errors);
  if (status === 401) hints.push('Sign in with "anyrag login", or set ANYRAG_API_KEY.');
  if (status >= 500) hints.push(`The server's log has more under trace ${trace_id}.`);
  return { exit: exitOfStatus(status), code, detail, hints, problem: { ...problem } };
}

function exitOfStatus(status: number): Exit {
  if (status === 401 || status === 403) return 'not_allowed';
  return status === 404 ? 'not_found' : 'failed';
}

const EXIT_OF_CODE: Readonly<Record<string, Exit>> = {
  config_invalid: 'configuration',
  database_unavailable: 'unreachable',
};

function ownError(error: AppError): Failure {
  const { code, errors = [] } = error;
  const problem = { code, detail: error.detail, ...(errors.length > 0 && { errors }) };
  return { exit: EXIT_OF_CODE[code] ?? 'failed', code, ...explain(error.detail, errors), problem };
}

/** The fields that are wrong, in front of the detail or below it, unless it names them already. */
function explain(detail: string, errors: readonly FieldError[]): { detail: string; hints: string[] } {
  const [first] = errors;
  if (errors.length === 1 && detail === first!.message) return { detail: sentenceOf(first!), hints: [] };
  return { detail, hints: errors.map(sentenceOf).filter((sentence) => !detail.includes(sentence)) };
}

/** Without the part of the request that the field is in, which says nothing on a command line. */
function sentenceOf({ path, message }: FieldError): string {
  return `${path.replace(/^(body|query|params)\./, '')}: ${message}`;
}

function kindOf(error: unknown): [Exit, string] {
  if (error instanceof UnreachableError) return ['unreachable', 'unreachable'];
  if (error instanceof TimedOutError) return ['timed_out', 'timed_out'];
  if (error instanceof UnexpectedAnswerError) return ['failed', 'unexpected_answer'];
  if (error instanceof UsageError || error instanceof CommanderError) return ['usage', 'usage'];
  return ['failed', 'failed'];
}
