export {
  cancelJob,
  type DeadLetterFilter,
  expireResults,
  LOG_SLICE,
  pauseJobs,
  pruneByAge,
  pruneLanes,
  pruneRates,
  pruneScheduleFires,
  pruneUpTo,
  type QueueState,
  resumeJobs,
  retryJob,
  SLICE,
  selectFirstSurplus,
  selectQueueNames,
  selectQueues,
  WHOLE_QUEUE,
} from './control/queries.ts';
export { enqueueRedrive, REDRIVE, redriveHandler } from './control/redrive.ts';
export { countWorkers, selectDepths } from './depth/queries.ts';
export { type Enqueued, type EnqueueRequest, enqueueJob, hashPollToken } from './enqueue.ts';
export {
  cancelJobsOf,
  deleteIdempotentAnswersOf,
  deleteJobsOf,
  deleteLanesOf,
  deleteRate,
} from './erasure/queries.ts';
export {
  type ChildRequest,
  GiveUp,
  type JobContext,
  type JobHandler,
  type JobLogger,
  RetryLater,
  WaitForChildren,
} from './handler.ts';
export { insertIdempotentAnswer, pruneIdempotentAnswers, selectIdempotentAnswer } from './idempotency/queries.ts';
export type {
  ClaimedJob,
  Job,
  JobError,
  JobProgress,
  Outcome,
  PlaceInLine,
  Settlement,
  TimelineEvent,
} from './job.ts';
export { outcomeOf } from './outcome.ts';
export {
  advanceTurns,
  claimJobs,
  claimSuspect,
  deleteDeadWorkers,
  deleteWorker,
  endLease,
  extendLease,
  insertLogLines,
  insertWorker,
  type Line,
  promoteDueJobs,
  type Runnable,
  recordPace,
  releaseLost,
  reportToParent,
  requireClaim,
  rescueJobs,
  selectCancelRequests,
  selectHeld,
  selectPayload,
  selectRunnable,
  settleJobs,
  toClaimedJob,
  updateProgress,
} from './queries.ts';
export {
  type FiringReport,
  fireDueSchedules,
  listSchedules,
  type NewSchedule,
  upsertSchedule,
} from './schedule/schedule.ts';
export {
  type JobAudience,
  type JobFilter,
  type JobLogLine,
  selectChildren,
  selectJob,
  selectJobLog,
  selectJobs,
  selectPlace,
  selectTimeline,
} from './watch/queries.ts';
