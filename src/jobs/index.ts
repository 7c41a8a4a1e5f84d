export { type Enqueued, type EnqueueRequest, enqueueJob, hashPollToken } from './enqueue.ts';
export { GiveUp, type JobContext, type JobHandler, type JobLogger, RetryLater } from './handler.ts';
export type { ClaimedJob, Job, JobError, JobProgress, JobStatus, Outcome } from './job.ts';
export { outcomeOf } from './outcome.ts';
export {
  cancelJob,
  claimJobs,
  deleteDeadWorkers,
  deleteWorker,
  extendLease,
  hasRunnableJob,
  insertIdempotentAnswer,
  insertWorker,
  type JobAudience,
  type JobFilter,
  promoteDueJobs,
  releaseUnheld,
  requireClaim,
  rescueJobs,
  retryJob,
  selectCancelRequests,
  selectIdempotentAnswer,
  selectJob,
  selectJobs,
  settleJob,
  toClaimedJob,
  updateProgress,
} from './queries.ts';
