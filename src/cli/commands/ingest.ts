import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import {
  type Accepted,
  type Client,
  type ContentFields,
  type Job,
  ProblemError,
  TimedOutError,
  UnreachableError,
} from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { type Failure, failureOf } from '../failure.ts';
import { type Input, resolveInputs } from '../ingest-inputs.ts';
import { showProgress } from '../job-progress.ts';
import { instant, integerIn, jsonObject, repeated, timeLimit } from '../options.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { UsageError } from '../usage-error.ts';

interface IngestOptions {
  recursive?: boolean;
  name: string;
  title?: string;
  tag?: string[];
  group?: string;
  source?: string;
  metadata?: Record<string, unknown>;
  expiresAt?: string;
  wait: boolean;
  timeout?: number;
}

export function addIngest(program: Command, cli: Cli): void {
  program
    .command('ingest')
    .summary('add files, pages and texts')
    .description(
      'Adds files, folders, web pages (http:// or https://) or standard input (-), and waits until they are found.',
    )
    .argument('<path-or-url...>')
    .option('-r, --recursive', 'all files in the given folders, but hidden ones and links')
    .option('--name <file-name>', 'file name of standard input, by which text formats are told apart', 'stdin')
    .option('--title <title>', 'title of the one document; else taken from its content or name')
    .option('--tag <tag>', 'may be repeated', repeated)
    .option('--group <id>', 'share with this group, for writing')
    .option('--source <source>', 'identity of the one document: the same again replaces it')
    .option('--metadata <json>', 'a JSON object', jsonObject)
    .option('--expires-at <time>', 'when it is deleted, such as 2027-01-31T12:00:00Z', instant)
    .option('--no-wait', 'do not wait for the jobs')
    .option('--timeout <seconds>', 'how long to wait at most', integerIn(1, 1_000_000))
    .action((args: string[], options: IngestOptions) => ingest(cli, args, options));
}

/** What became of one input. */
interface Item {
  input: Input;
  accepted: Accepted | null;
  job: Job | null;
  failure: Failure | null;
  isReported: boolean;
}

async function ingest(cli: Cli, args: string[], options: IngestOptions): Promise<void> {
  const { output } = cli;
  const inputs = await resolveInputs(args, {
    recursive: options.recursive === true,
    stdin: cli.environment.stdin,
    stdinName: options.name,
  });
  const isOne = inputs.length === 1;
  if (!isOne && (options.title !== undefined || options.source !== undefined)) {
    throw new UsageError(`--title and --source are for one document, and there are ${inputs.length}`);
  }
  const client = cli.client();
  const items: Item[] = inputs.map((input) => ({ input, accepted: null, job: null, failure: null, isReported: false }));
  try {
    for (const item of items) {
      await attempt(item, isOne, () => send(client, item, fieldsOf(options)));
      if (!options.wait) report(output, item);
    }
    if (options.wait) await waitForAll(cli, client, items, options.timeout, isOne);
  } finally {
    // What was accepted is there, also when the rest broke off.
    for (const item of items) if (item.accepted !== null && !item.isReported) output.write(acceptedLine(item));
    if (output.isJson) output.result({ items: items.map(itemToJson) }, () => '');
  }
  if (items.some(({ job, failure }) => failure !== null || isBad(job))) output.exit = 'failed';
}

async function waitForAll(
  cli: Cli,
  client: Client,
  items: readonly Item[],
  timeout: number | undefined,
  isOne: boolean,
) {
  const signal = timeLimit(timeout);
  for (const item of items) {
    if (item.accepted !== null) {
      await attempt(item, isOne, () => follow(cli.output, client, item, signal));
    }
    report(cli.output, item);
  }
}

/** One input that is refused does not keep the others back; a server that is gone or does not know us does. */
async function attempt(item: Item, isOne: boolean, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    const isFatal =
      error instanceof UnreachableError ||
      error instanceof TimedOutError ||
      (error instanceof ProblemError && error.problem.status === 401);
    item.failure = failureOf(error);
    if (isOne || isFatal) throw error;
  }
}

function fieldsOf(options: IngestOptions): ContentFields {
  return {
    title: options.title,
    tags: options.tag,
    group_id: options.group,
    source: options.source,
    metadata: options.metadata,
    expires_at: options.expiresAt,
  };
}

/** The key makes a second try of the same request harmless. */
async function send(client: Client, item: Item, fields: ContentFields): Promise<void> {
  const { input } = item;
  const key = randomUUID();
  item.accepted =
    input.kind === 'url'
      ? await client.ingestWeb(input.url, fields, key)
      : await client.ingestFile(input.file, fields, key);
}

async function follow(output: Output, client: Client, item: Item, signal: AbortSignal | undefined): Promise<void> {
  const { job_id, job_token } = item.accepted!;
  const progress = showProgress(output, item.input.label);
  try {
    for await (const job of client.followJob(job_id, { jobToken: job_token, signal })) {
      item.job = job;
      progress.show(job);
    }
  } finally {
    progress.end();
  }
}

function isBad(job: Job | null): boolean {
  return job !== null && job.status !== 'completed';
}

function acceptedLine({ input, accepted }: Item): string {
  return `${printableLine(input.label)}: accepted as document ${accepted!.document_id}, job ${accepted!.job_id}\n`;
}

/** A line about one input as soon as its outcome is known. */
function report(output: Output, item: Item): void {
  const { input, accepted, job, failure } = item;
  item.isReported = true;
  const label = printableLine(input.label);
  if (failure !== null) {
    output.note(`${label}: ${failure.detail} (${failure.code})`);
  } else if (job === null) {
    output.write(acceptedLine(item));
  } else if (isBad(job)) {
    output.note(`${label}: ${job.error === null ? job.status : `${job.error.message} (${job.error.code})`}`);
  } else {
    const { chunks, warnings } = outcomeOf(job);
    output.write(`${label}: document ${accepted!.document_id}, ${chunks} ${chunks === 1 ? 'passage' : 'passages'}\n`);
    for (const warning of warnings) output.note(`${label}: warning: ${warning}`);
  }
}

function outcomeOf({ result }: Job): { chunks: number; warnings: string[] } {
  const { chunks = 0, warnings = [] } = (result ?? {}) as { chunks?: number; warnings?: string[] };
  return { chunks, warnings };
}

function itemToJson({ input, accepted, job, failure }: Item) {
  return {
    input: input.label,
    status: job?.status ?? accepted?.status ?? (failure === null ? 'not_sent' : 'refused'),
    document_id: accepted?.document_id ?? null,
    job_id: accepted?.job_id ?? null,
    ...(accepted?.job_token !== undefined && { job_token: accepted.job_token }),
    ...(job !== null && job.status === 'completed' && outcomeOf(job)),
    error: failure?.problem ?? job?.error ?? null,
  };
}
