export { type Client, createClient, type JobAccess } from './client.ts';
export { ProblemError, TimedOutError, UnexpectedAnswerError, UnreachableError } from './errors.ts';
export type { UploadFile } from './multipart.ts';
export type { Credentials } from './transport.ts';
export type * from './types.ts';
