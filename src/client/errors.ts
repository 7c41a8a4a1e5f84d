import type { Problem } from './types.ts';

/** The server answered with a problem. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** No answer: nobody listens there, the name is unknown, or the connection broke off. */
export class UnreachableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnreachableError';
  }
}

/** The time for a request or a wait was up. What was asked for may have happened, or may still happen. */
export class TimedOutError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TimedOutError';
  }
}

/** Something answered that is no anyrag server, or one of another version. */
export class UnexpectedAnswerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnexpectedAnswerError';
  }
}

/** Why a call of `fetch`, or reading what it answered, failed. An abort by the caller stays what it is. */
export function connectionError(error: unknown, server: string): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'TimeoutError') return new TimedOutError(`${server} took too long to answer`, { cause: error });
  // `fetch` wraps what happened to the connection; a TypeError without a cause is a mistake of ours.
  if (!(error instanceof TypeError && error.cause instanceof Error)) return error;
  const { code, message } = error.cause as Error & { code?: string };
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new TimedOutError(`${server} took too long to answer`, { cause: error });
  }
  return new UnreachableError(`${server} cannot be reached (${REASONS[code ?? ''] ?? message})`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
  ECONNRESET: 'the connection broke off',
  UND_ERR_SOCKET: 'the connection broke off',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
};
