import { type Command, Option } from 'commander';
import type { Job, JobDetail, JobStatus } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { showProgress } from '../job-progress.ts';
import { integerIn, timeLimit } from '../options.ts';
import { fields, table } from '../table.ts';

interface ListOptions {
  status?: JobStatus;
  type?: string;
  all?: boolean;
  limit?: number;
  cursor?: string;
}

export function addJobs(program: Command, cli: Cli): void {
  const jobs = program
    .command('jobs')
    .summary('list, wait for, cancel and retry jobs')
    .description('Work on the queue.');
  jobs
    .command('ls')
    .description('Your jobs, newest first.')
    .addOption(new Option('--status <status>').choices(['pending', 'processing', 'completed', 'failed', 'cancelled']))
    .option('--type <type>', 'only jobs of this type')
    .option('--all', "everybody's jobs; for a super_admin")
    .option('--limit <n>', 'jobs to show, 1 to 100', integerIn(1, 100))
    .option('--cursor <cursor>', 'where the list before ended')
    .action((options: ListOptions) => list(cli, options));
  jobs
    .command('show')
    .description('A job as it is now.')
    .argument('<job-id>')
    .action(async (id: string) => show(cli, await cli.client().job(id)));
  jobs
    .command('wait')
    .description('Waits until a job has ended; fails when the job has.')
    .argument('<job-id>')
    .option('--timeout <seconds>', 'how long to wait at most', integerIn(1, 1_000_000))
    .action((id: string, { timeout }: { timeout?: number }) => wait(cli, id, timeout));
  jobs
    .command('cancel')
    .description('Asks a job to stop.')
    .argument('<job-id>')
    .action(async (id: string) => print(cli, await cli.client().cancelJob(id)));
  jobs
    .command('retry')
    .description('Runs a failed or cancelled job again.')
    .argument('<job-id>')
    .action(async (id: string) => print(cli, await cli.client().retryJob(id)));
}

async function list({ client, output }: Cli, { type, ...query }: ListOptions): Promise<void> {
  const page = await client().jobs({ ...query, job_type: type });
  const rows = page.items.map((job) => [
    job.job_id,
    job.job_type,
    stateOf(job),
    job.progress?.stage ?? null,
    job.created_at,
    job.error?.code ?? null,
  ]);
  output.result(page, () => table(['JOB', 'TYPE', 'STATUS', 'STAGE', 'CREATED', 'ERROR'], rows));
  if (page.next_cursor !== null && !output.isJson) output.note(`There are more: --cursor ${page.next_cursor}`);
}

async function wait(cli: Cli, id: string, timeout: number | undefined): Promise<void> {
  const progress = showProgress(cli.output, id);
  let last: Job | null = null;
  try {
    for await (const job of cli.client().followJob(id, { signal: timeLimit(timeout) })) {
      progress.show(job);
      last = job;
    }
  } finally {
    progress.end();
  }
  print(cli, last!);
  if (last!.status !== 'completed') cli.output.exit = 'failed';
}

/** A job that does not run says why. */
function stateOf({ status, reason }: Job): string {
  return reason === null ? status : `${status} (${reason})`;
}

function show({ output }: Cli, job: JobDetail): void {
  const events = job.timeline.map(({ at, event, detail }) => [at, event, detail]);
  output.result(job, () =>
    [fields({ ...shownFields(job), ...placeOf(job) }), table(['WHEN', 'WHAT', 'DETAIL'], events)].join('\n\n'),
  );
}

function placeOf({ place, recent_wait_ms }: JobDetail): Record<string, string | null> {
  if (place === null) return {};
  return {
    place: place > 1_000 ? 'behind more than 1000 others' : String(place),
    'of late': recent_wait_ms === null ? null : `jobs like it waited ${(recent_wait_ms / 1_000).toFixed(1)} s`,
  };
}

function print({ output }: Cli, job: Job): void {
  output.result(job, () => fields(shownFields(job)));
}

function shownFields(job: Job): Record<string, string | null> {
  const { progress, error, result } = job;
  return {
    job: job.job_id,
    type: job.job_type,
    status: stateOf(job),
    stage: progress === null ? null : `${progress.stage} ${progress.done}/${progress.total}`,
    attempts: `${job.attempts} of ${job.max_attempts}`,
    error: error === null ? null : `${error.message} (${error.code})`,
    result: result === null ? null : JSON.stringify(result),
    created: job.created_at,
    started: job.started_at,
    finished: job.finished_at,
  };
}
