import fc from 'fast-check';
import { expect } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { now, sql } from '../../src/db/sql.ts';
import {
  type ClaimedJob,
  cancelJob,
  type EnqueueRequest,
  enqueueJob,
  extendLease,
  type Outcome,
  pauseJobs,
  pruneByAge,
  releaseLost,
  requireClaim,
  rescueJobs,
  resumeJobs,
  retryJob,
  selectHeld,
  selectQueues,
  settleJobs,
} from '../../src/jobs/index.ts';
import { queueOn } from '../harness/queue.ts';
import { type Claim, type Ending, type ModelJob, QueueModel } from './model.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
const ERROR = { code: 'job_failed', message: '', retryable: true } as const;
const HOUR_MS = 3_600_000;
const TYPES = ['work', 'other'] as const;
const LIMITS: Readonly<Record<string, number>> = { one: 1, two: 2 };
/** Starts at once; what has been used up does not come back within a test. */
const BURSTS: Readonly<Record<string, number>> = { slow: 1, bursty: 3 };

interface NewJob {
  jobType: (typeof TYPES)[number];
  priority: number;
  isDelayed: boolean;
  maxAttempts: number;
  uniqueKey: string | null;
  limitKey: string | null;
  rateKey: string | null;
}

/** `pick` chooses among the jobs or claims that there are by then, so that any part of a history is one as well. */
export type Step =
  | { do: 'enqueue'; job: NewJob; isTwice: boolean }
  | { do: 'spawn'; pick: number; jobs: NewJob[] }
  | { do: 'claim'; worker: number; limit: number }
  | { do: 'claimTogether'; limit: number }
  | { do: 'settle'; pick: number; ending: Ending; isTwice: boolean }
  | { do: 'cancel' | 'revive'; pick: number }
  | { do: 'beat' | 'expire' | 'renew' | 'loseAnswers' | 'standStill'; worker: number }
  | { do: 'rescue' | 'passTime' | 'openRates' | 'prune' }
  | { do: 'pause' | 'resume'; jobType: (typeof TYPES)[number] };

const pick = fc.nat({ max: 1_000 });
const worker = fc.nat({ max: 2 });
const rarely = fc.integer({ min: 0, max: 7 }).map((n) => n === 0);
const newJob: fc.Arbitrary<NewJob> = fc.record({
  jobType: fc.constantFrom(...TYPES),
  priority: fc.integer({ min: -1, max: 1 }),
  isDelayed: rarely,
  maxAttempts: fc.constantFrom(1, 2, 9),
  uniqueKey: fc.constantFrom(null, null, null, 'u', 'v'),
  limitKey: fc.constantFrom(null, null, ...Object.keys(LIMITS)),
  rateKey: fc.constantFrom(null, null, null, ...Object.keys(BURSTS)),
});

const ENDINGS: readonly Ending[] = [
  'completed',
  'failed',
  'retry',
  'released',
  'snoozed',
  'crashed',
  'parked',
  'cancelled',
];

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('enqueue' as const), job: newJob, isTwice: rarely }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('spawn' as const),
      pick,
      jobs: fc.array(newJob, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('claim' as const), worker, limit: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('claimTogether' as const), limit: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      pick,
      ending: fc.constantFrom(...ENDINGS, 'completed', 'parked', 'crashed'),
      isTwice: rarely,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cancel', 'revive'), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('beat', 'expire', 'renew', 'renew', 'loseAnswers', 'standStill', 'standStill'),
      worker,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('rescue', 'passTime', 'openRates', 'rescue', 'prune') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('pause', 'resume', 'resume'),
      jobType: fc.constantFrom(...TYPES),
    }),
  },
);

/** A claim as a worker remembers it, whatever has become of it meanwhile. */
interface Remembered extends Claim {
  readonly job: ClaimedJob;
  readonly workerId: string;
}

interface StoredJob {
  job_id: string;
  status: string;
  wait: string | null;
  fence: number;
  attempts: number;
  crashes: number;
  worker_id: string | null;
  open_children: number;
  cancel_asked: number;
}

/** The queue with three workers, each on a connection of its own, and beside it the model. */
export class QueueTrial {
  readonly #connections: readonly Database[];
  readonly #model = new QueueModel();
  readonly #ids: string[] = [];
  #remembered: Remembered[] = [];
  #stored = new Map<string, StoredJob>();
  #workerIds: string[] = [];
  #taken = 0;

  constructor(connections: readonly Database[]) {
    this.#connections = connections;
    for (const [rateKey, burst] of Object.entries(BURSTS)) this.#model.starts.set(rateKey, burst);
  }

  async start(): Promise<void> {
    for (const n of this.#connections.keys()) await this.#renew(n);
  }

  /** Takes the step on both, and fails where they do not agree afterwards. */
  async take(step: Step): Promise<void> {
    this.#taken++;
    await this.#apply(step);
    await this.#compare();
  }

  /** Any connection will do: they take turns. */
  get #db(): Database {
    return this.#connections[this.#taken % this.#connections.length]!;
  }

  async #apply(step: Step): Promise<void> {
    switch (step.do) {
      case 'enqueue':
        return this.#enqueue(step.job, step.isTwice);
      case 'spawn':
        return this.#spawn(step.pick, step.jobs);
      case 'claim':
        return this.#claim(step.worker, step.limit);
      case 'claimTogether':
        return this.#claimTogether(step.limit);
      case 'settle':
        return this.#settle(step.pick, step.ending, step.isTwice);
      case 'cancel':
      case 'revive':
        return this.#askFor(step.do, step.pick);
      case 'beat':
        return this.#beat(step.worker);
      case 'expire':
        return this.#expire(step.worker);
      case 'renew':
        return this.#renew(step.worker);
      case 'loseAnswers':
        return this.#loseAnswers(step.worker);
      case 'standStill':
        return this.#standStill(step.worker);
      case 'rescue':
        return this.#rescue();
      case 'passTime':
        await queueOn(this.#db).passTime();
        return this.#model.passTime();
      case 'openRates':
        await this.#db.batch([sql`UPDATE job_rates SET due_at = 0`]);
        for (const [rateKey, burst] of Object.entries(BURSTS)) this.#model.starts.set(rateKey, burst);
        return;
      case 'prune':
        // A little ahead of the clock: whatever has finished by now.
        await this.#db.batch(pruneByAge(-HOUR_MS));
        return this.#model.prune();
      case 'pause':
        await this.#db.batch([pauseJobs('default', step.jobType)]);
        this.#model.pausedTypes.add(step.jobType);
        return;
      case 'resume':
        await this.#db.batch([resumeJobs('default', step.jobType)]);
        this.#model.pausedTypes.delete(step.jobType);
        return;
    }
  }

  #prepare(job: NewJob, parentId: string | null) {
    const { isDelayed, limitKey, rateKey, uniqueKey, ...rest } = job;
    const request: EnqueueRequest = { ...rest, payload: {}, onBehalfOf: SYSTEM, delayMs: isDelayed ? HOUR_MS : 0 };
    if (limitKey !== null) request.limit = { key: limitKey, max: LIMITS[limitKey]! };
    if (rateKey !== null) request.rate = { key: rateKey, intervalMs: HOUR_MS, burst: BURSTS[rateKey]! };
    if (uniqueKey !== null) request.uniqueKey = uniqueKey;
    if (parentId !== null) request.parentId = parentId;
    const { jobId, statements } = enqueueJob(request);
    const add = () => {
      if (this.#model.enqueue({ ...job, id: jobId, parentId })) this.#ids.push(jobId);
    };
    return { statements, add };
  }

  async #enqueue(job: NewJob, isTwice: boolean): Promise<void> {
    const { statements, add } = this.#prepare(job, null);
    await this.#db.batch(statements);
    if (isTwice) await this.#db.batch(statements);
    add();
  }

  async #spawn(pick: number, jobs: readonly NewJob[]): Promise<void> {
    const claim = this.#remembered[pick % Math.max(1, this.#remembered.length)];
    if (claim === undefined) return;
    const children = jobs.map((job) => this.#prepare(job, claim.id));
    const batch = this.#db.batch([requireClaim(claim.job), ...children.flatMap(({ statements }) => statements)]);
    if (!this.#model.holds(claim)) return expect(batch).rejects.toMatchObject({ code: 'lease_lost' });
    await batch;
    for (const { add } of children) add();
  }

  async #claim(n: number, limit: number): Promise<void> {
    const workerId = this.#workerIds[n]!;
    const ready = this.#ready();
    const rated = this.#ratedHeads();
    const suspects = this.#suspects();
    const claimed = await queueOn(this.#connections[n]!).claim(workerId, limit);
    const expected = Math.min(limit, ready.length + rated.length) || Math.min(1, suspects.length);
    expect(claimed.length, 'jobs of a claim').toBe(this.#model.alive.has(workerId) ? expected : 0);
    const isSuspect = ready.length + rated.length === 0;
    this.#remember(claimed, workerId);
    const left = isSuspect ? suspects : ready;
    const worst = Math.max(...claimed.map(({ priority }) => priority));
    for (const { id, priority } of left) {
      if (!claimed.some(({ jobId }) => jobId === id))
        expect(priority, 'one that was left').toBeGreaterThanOrEqual(worst);
    }
  }

  /** All workers at the same time: who gets which is open, but nobody gets what another one has. */
  async #claimTogether(limit: number): Promise<void> {
    const ready = this.#ready().length;
    const answers = await Promise.all(this.#connections.map((db, n) => queueOn(db).claim(this.#workerIds[n]!, limit)));
    for (const [n, claimed] of answers.entries()) this.#remember(claimed, this.#workerIds[n]!);
    const most = limit * this.#workerIds.filter((id) => this.#model.alive.has(id)).length;
    expect(answers.flat().length, 'jobs of claims together').toBeGreaterThanOrEqual(Math.min(most, ready));
  }

  #remember(claimed: readonly ClaimedJob[], workerId: string): void {
    for (const job of claimed) {
      const { fence, attempts, crashes } = this.#model.claim(job.jobId, workerId);
      expect([job.fence, job.attempt, job.crashes], 'fence, attempt and crashes of a claim').toEqual([
        fence,
        attempts,
        crashes,
      ]);
      this.#remembered.push({ id: job.jobId, fence: job.fence, job, workerId });
    }
  }

  async #settle(pick: number, ending: Ending, isTwice: boolean): Promise<void> {
    const [claim] = this.#remembered.splice(pick % Math.max(1, this.#remembered.length), 1);
    if (claim === undefined) return;
    const statements = settleJobs([{ job: claim.job, outcome: outcomeOf(ending) }]);
    const stored = (await this.#db.batch(statements)).flat();
    expect(stored, `what ${ending} answers`).toEqual(this.#model.settle(claim, ending) ? [{ seq: claim.job.seq }] : []);
    // As when the answer was lost, and the worker says so again.
    if (isTwice) expect((await this.#db.batch(statements)).flat(), 'said twice').toEqual([]);
  }

  async #askFor(what: 'cancel' | 'revive', pick: number): Promise<void> {
    const id = this.#ids[pick % Math.max(1, this.#ids.length)];
    if (id === undefined) return;
    const isKnown = this.#model.jobs.has(id);
    const statements = what === 'cancel' ? cancelJob(id, EVERYBODY) : retryJob(id, EVERYBODY);
    const asked = this.#db.batch(statements);
    if (this.#model[what](id)) await asked;
    else await expect(asked).rejects.toMatchObject({ code: isKnown ? 'job_state_conflict' : 'not_found' });
  }

  async #beat(n: number): Promise<void> {
    const workerId = this.#workerIds[n]!;
    const [rows] = await this.#connections[n]!.batch([extendLease(workerId, HOUR_MS)]);
    expect(rows!.length, 'rows of a beat').toBe(this.#model.alive.has(workerId) ? 1 : 0);
  }

  async #expire(n: number): Promise<void> {
    const workerId = this.#workerIds[n]!;
    await this.#db.batch([sql`UPDATE workers SET lease_until = ${now} - 1 WHERE worker_id = ${workerId}`]);
    this.#model.alive.delete(workerId);
  }

  /** A new lease is one of a new worker; what was claimed under the old one goes on in its memory. */
  async #renew(n: number): Promise<void> {
    const old = this.#workerIds[n];
    if (old !== undefined) await this.#expire(n);
    const workerId = `worker ${n}, lease ${this.#taken}`;
    await queueOn(this.#connections[n]!).register(workerId, TYPES);
    this.#workerIds[n] = workerId;
    this.#model.alive.add(workerId);
  }

  /** The worker has forgotten, or never heard of, some of its claims, and gives back what it does not know. */
  async #loseAnswers(n: number): Promise<void> {
    const workerId = this.#workerIds[n]!;
    const mine = this.#remembered.filter((claim) => claim.workerId === workerId);
    const forgotten = mine.filter((_, index) => index % 2 === 0);
    this.#remembered = this.#remembered.filter((claim) => !forgotten.includes(claim));
    const known = this.#remembered.map(({ job }) => `${job.seq}:${job.fence}`);
    const held = await this.#db.query(selectHeld(workerId));
    const lost = held.filter(({ seq, fence }) => !known.includes(`${seq}:${fence}`));
    await this.#db.batch([releaseLost(lost)]);
    for (const claim of forgotten) this.#model.settle(claim, 'released');
  }

  /** For longer than its lease: others run its jobs, and it still believes in its claims when it goes on. */
  async #standStill(n: number): Promise<void> {
    await this.#expire(n);
    await this.#rescue();
    await queueOn(this.#db).passTime();
    this.#model.passTime();
    for (const other of this.#connections.keys()) {
      await this.#compare();
      if (other !== n) await this.#claim(other, 4);
    }
    await this.#renew(n);
  }

  async #rescue(): Promise<void> {
    const [rows] = await this.#db.batch([rescueJobs()]);
    expect(rows!.map(({ job_id }) => job_id).sort(), 'jobs that were taken over').toEqual(this.#model.rescue().sort());
  }

  /** Jobs that may be claimed for all that the model knows, and that the database has let in. */
  #inLine(wait: string | null): ModelJob[] {
    return [...this.#model.jobs.values()].filter(
      ({ id, phase, jobType }) =>
        phase === 'line' && this.#stored.get(id)!.wait === wait && !this.#model.pausedTypes.has(jobType),
    );
  }

  #ready(): ModelJob[] {
    return this.#inLine(null).filter(({ crashes }) => crashes === 0);
  }

  /** One claim starts one job of each rate that allows it. */
  #ratedHeads(): string[] {
    const inLine = this.#inLine('rate').filter(({ crashes }) => crashes === 0);
    const waiting = new Set(inLine.map(({ rateKey }) => rateKey!));
    return [...waiting].filter((rateKey) => this.#model.starts.get(rateKey)! > 0);
  }

  #suspects(): ModelJob[] {
    const rated = this.#inLine('rate').filter(({ rateKey }) => this.#model.starts.get(rateKey!)! > 0);
    return [...this.#inLine(null), ...rated].filter(({ crashes }) => crashes > 0);
  }

  async #compare(): Promise<void> {
    const rows = await this.#db.query<StoredJob>(sql`SELECT job_id, status, wait, fence, attempts, crashes, worker_id,
      open_children, cancel_at IS NOT NULL AS cancel_asked FROM jobs`);
    this.#stored = new Map(rows.map((row) => [row.job_id, row]));
    expect([...this.#stored.keys()].sort(), 'jobs').toEqual([...this.#model.jobs.keys()].sort());
    for (const job of this.#model.jobs.values()) this.#compareJob(job, this.#stored.get(job.id)!);
    for (const [limitKey, max] of Object.entries(LIMITS)) this.#compareLimit(limitKey, max);
    if (this.#taken % 5 === 0) await this.#compareCounts();
  }

  #compareJob(job: ModelJob, row: StoredJob): void {
    const { wait, ...stored } = row;
    expect(stored, `the row of a job in phase ${job.phase}`).toEqual({
      job_id: job.id,
      status: FINISHED_OR_RUNNING.has(job.phase) ? job.phase : 'pending',
      fence: job.fence,
      attempts: job.attempts,
      crashes: job.crashes,
      worker_id: job.workerId,
      open_children: this.#model.openChildren(job.id),
      cancel_asked: job.isCancelAsked ? 1 : 0,
    });
    expect(waitsOf(job), `what a job in phase ${job.phase} waits for`).toContain(wait);
  }

  /** No more than may be are let in, and nobody stands outside beside a free place. */
  #compareLimit(limitKey: string, max: number): void {
    const jobs = [...this.#model.jobs.values()].filter((job) => job.limitKey === limitKey);
    const running = jobs.filter(({ phase }) => phase === 'processing').length;
    const inLine = jobs.filter(({ phase }) => phase === 'line');
    const letIn = inLine.filter(({ id }) => this.#stored.get(id)!.wait !== 'key').length;
    expect(running + letIn, `jobs let in with the key ${limitKey}`).toBe(Math.min(max, running + inLine.length));
  }

  async #compareCounts(): Promise<void> {
    const counts = await selectQueues(this.#db);
    for (const jobType of TYPES) {
      const jobs = [...this.#model.jobs.values()].filter((job) => job.jobType === jobType);
      const processing = jobs.filter(({ phase }) => phase === 'processing').length;
      const pending = jobs.filter(({ phase }) => !FINISHED_OR_RUNNING.has(phase)).length;
      const line = counts.find((count) => count.jobType === jobType);
      expect([line?.pending ?? 0, line?.processing ?? 0], `the counts of ${jobType}`).toEqual([pending, processing]);
    }
  }
}

const FINISHED_OR_RUNNING: ReadonlySet<string> = new Set(['processing', 'completed', 'failed', 'cancelled']);

function waitsOf({ phase, limitKey, rateKey }: ModelJob): (string | null)[] {
  if (phase === 'time' || phase === 'children') return [phase];
  if (phase !== 'line') return [null];
  return [...(limitKey === null ? [] : ['key']), rateKey === null ? null : 'rate'];
}

function outcomeOf(ending: Ending): Outcome {
  switch (ending) {
    case 'completed':
      return { kind: 'completed', result: {} };
    case 'failed':
    case 'crashed':
      return { kind: ending, error: ERROR };
    case 'retry':
      return { kind: 'retry', error: ERROR, delayMs: HOUR_MS };
    case 'released':
      return { kind: 'released', delayMs: 0 };
    case 'snoozed':
      return { kind: 'released', delayMs: HOUR_MS };
    case 'parked':
    case 'cancelled':
      return { kind: ending };
  }
}
