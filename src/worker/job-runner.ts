import type { Row, Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import {
  advanceTurns,
  type ClaimedJob,
  claimJobs,
  claimSuspect,
  type Line,
  promoteDueJobs,
  type Runnable,
  releaseLost,
  rescueJobs,
  type Settlement,
  selectHeld,
  selectRunnable,
  settleJobs,
  toClaimedJob,
} from '../jobs/index.ts';
import { isFileBroken } from './broken-file.ts';
import { HostedRun } from './hosted-run.ts';
import type { JobHostPool } from './job-host-pool.ts';
import { type Ended, noteClaimed, noteRun, noteSettled } from './job-metrics.ts';
import { JobRun, type JobRunDependencies } from './job-run.ts';
import type { Lease } from './lease.ts';
import { Paces } from './paces.ts';
import type { Run } from './run.ts';
import type { WakeUp } from './wake-up.ts';

export interface JobRunnerDependencies extends JobRunDependencies {
  lease: Lease;
  wakeUp: WakeUp;
  /** Where the jobs of isolated types and those that have crashed before run; null: in this process, like all others. */
  hosts: JobHostPool | null;
  /** Null: every queue. */
  queues: readonly string[] | null;
  concurrency: number;
  /** Called once when a handler in this process was given up: the process should be replaced. */
  onStuck(): void;
  /** Called once when a database file fails: nothing can be claimed or stored any more, and the process should end. */
  onDatabaseFailed(error: AppError): void;
}

/** What was runnable may have changed after this long, even while every claim is full. */
const LOOK_AGAIN_MS = 50;
/** Timers and dead workers are looked after this often, by whoever has a cycle anyway. */
const CHORES_MS = 100;
/** Lines that one claim names. */
const MAX_LINES = 200;

/**
 * Claims jobs and runs them. Every cycle is one transaction that settles what has ended and claims as many jobs as there
 * are free slots; now and then it also promotes timers and rescues the jobs of dead workers.
 */
export class JobRunner {
  readonly #deps: JobRunnerDependencies;
  readonly #running = new Map<string, Run>();
  readonly #paces = new Paces();
  /** Ended jobs whose outcome is not stored yet; kept until a transaction with it has committed. */
  #unsettled: Ended[] = [];
  /** Outcomes that a failed transaction held: where only its answer was lost, they are stored. */
  readonly #saidBefore = new WeakSet<Settlement>();
  #runnable: Runnable | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #choresAt = Number.NEGATIVE_INFINITY;
  #stopping = false;
  #loop: Promise<void> | null = null;
  #graceIsOver = false;
  #reconcileNext = false;
  /** A cycle has failed since the claims were last compared: not to be left behind when the worker stops. */
  #claimMayBeLost = false;
  #isStuck = false;
  #deadline = Number.POSITIVE_INFINITY;
  #isUseless = false;

  constructor(deps: JobRunnerDependencies) {
    this.#deps = deps;
    deps.lease.onLost(() => {
      deps.metrics?.count('anyrag_worker_lease_losses_total', {});
      this.#abandonAll(new AppError('lease_lost'));
    });
    deps.lease.onCancel((seq, fence) => this.#running.get(keyOf({ seq, fence }))?.abort(new AppError('job_cancelled')));
    deps.lease.onFileBroken((error) => this.#becomeUseless(error));
    deps.lease.onBeat(() => {
      this.#reconcileNext = true;
      deps.wakeUp.now();
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /**
   * Stops claiming, lets running jobs finish for `graceMs` and stores what became of them, then gives back the rest with
   * their attempt refunded.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#deps.wakeUp.now();
    const timer = setTimeout(() => {
      this.#graceIsOver = true;
      this.#giveBackRunning();
      this.#deps.wakeUp.now();
    }, graceMs);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (!this.#isDone()) {
      try {
        await this.#cycle();
        if (!this.#isDone()) await this.#wait();
      } catch (error) {
        // What could not be written is still in #unsettled and goes with the next cycle.
        this.#deps.log.error({ event: 'worker.cycle_failed', err: error }, 'a worker cycle failed');
        if (isFileBroken(this.#deps.db, error)) return this.#becomeUseless(error);
        // Others rescue what this process does not give back.
        if (this.#graceIsOver) return;
        this.#reconcileNext = true;
        this.#claimMayBeLost = true;
        await this.#deps.wakeUp.pause();
      }
    }
  }

  #isDone(): boolean {
    return this.#stopping && this.#running.size === 0 && this.#unsettled.length === 0 && !this.#claimMayBeLost;
  }

  async #wait(): Promise<void> {
    // A full claim says that there is more.
    if (this.#mayClaim() && this.#runnable !== null) return;
    await this.#deps.wakeUp.wait(this.#mayClaim() ? () => this.#look() : null);
  }

  async #look(): Promise<boolean> {
    const found = await selectRunnable(this.#deps.db, this.#deps.queues, [...this.#deps.handlers.keys()]);
    // Not what waits for a place of its type: to ask for it again and again would not bring its turn nearer.
    const { lines, suspects } = this.#claimable(found);
    const isWorthwhile = found.chores || lines.length > 0 || suspects.length > 0;
    this.#runnable = isWorthwhile ? found : null;
    this.#lookedAt = performance.now();
    return isWorthwhile;
  }

  async #cycle(): Promise<void> {
    if (this.#mayClaim() && performance.now() - this.#lookedAt > LOOK_AGAIN_MS) await this.#look();
    const lost = await this.#lostClaims();
    // A copy: jobs that end while the transaction runs are not in it.
    const settling = [...this.#unsettled];
    const ends = settleJobs(settling);
    const chores = [...lost, ...this.#chores()];
    const claim = this.#claim();
    const after = claim === null ? [] : [advanceTurns(this.#deps.lease.workerId!, claim.queues)];
    const statements = [
      ...ends,
      ...chores,
      ...(claim === null ? [] : [claim.statement]),
      ...after,
      ...this.#paces.take(),
    ];
    if (statements.length === 0) return;
    const results = await this.#deps.db.batch(statements).catch((error) => {
      for (const settlement of settling) this.#saidBefore.add(settlement);
      throw error;
    });
    // What has ended meanwhile was added behind these.
    this.#unsettled = this.#unsettled.slice(settling.length);
    this.#reportStored(settling, results.slice(0, ends.length).flat());
    for (const row of results.slice(ends.length, ends.length + chores.length).flat()) this.#reportRescued(row);
    if (claim === null) return;
    const claimed = results[ends.length + chores.length]!;
    if (claimed.length < claim.asked) this.#runnable = null;
    this.#beginAll(claimed.map(toClaimedJob));
  }

  /** No claim of this worker is on its way while its one loop is here: what it holds beyond its own is lost. */
  async #lostClaims(): Promise<Statement[]> {
    const { workerId } = this.#deps.lease;
    // Without a lease others take over whatever was claimed under the last one.
    if (workerId === null) this.#claimMayBeLost = false;
    if (!this.#reconcileNext || workerId === null) return [];
    const stored = await this.#deps.db.query(selectHeld(workerId));
    this.#reconcileNext = false;
    this.#claimMayBeLost = false;
    const known = new Set([...this.#running.values(), ...this.#unsettled].map(({ job }) => keyOf(job)));
    const lost = stored.filter((claim) => !known.has(keyOf(claim)));
    return lost.length === 0 ? [] : [releaseLost(lost)];
  }

  #chores(): Statement[] {
    if (!this.#mayClaim()) return [];
    const isDue = this.#runnable?.chores === true || performance.now() - this.#choresAt > CHORES_MS;
    if (!isDue) return [];
    this.#choresAt = performance.now();
    return [rescueJobs(), promoteDueJobs()];
  }

  #claim(): { statement: Statement; asked: number; queues: string[] } | null {
    const { workerId } = this.#deps.lease;
    const runnable = this.#runnable;
    if (workerId === null || runnable === null || !this.#mayClaim()) return null;
    const { lines, suspects } = this.#claimable(runnable);
    if (suspects.length > 0) {
      // Asked for more than one, so that the next look tells whether there are others.
      return { statement: claimSuspect(workerId, someOf(suspects)), asked: 2, queues: queuesOf(suspects) };
    }
    if (lines.length === 0) {
      this.#runnable = null;
      return null;
    }
    const asked = this.#freeSlots();
    const named = someOf(lines);
    const caps = new Map(named.map(({ jobType }) => [jobType, this.#roomFor(jobType)]));
    const statement = claimJobs(workerId, named, asked, { caps, rated: runnable.rated });
    return { statement, asked, queues: queuesOf(named) };
  }

  /**
   * What of it has a place now. A job that has crashed before must not take innocent ones with it again: it runs in a
   * process of its own, whatever its type. Without such processes it waits for the running ones, and nothing else is begun
   * meanwhile.
   */
  #claimable({ lines, suspects }: Runnable): Pick<Runnable, 'lines' | 'suspects'> {
    const hasRoom = (line: Line) => this.#roomFor(line.jobType) > 0;
    if (this.#deps.hosts !== null) return { lines: lines.filter(hasRoom), suspects: suspects.filter(hasRoom) };
    if (suspects.length > 0) return { lines: [], suspects: this.#running.size === 0 ? suspects : [] };
    return { lines: lines.filter(hasRoom), suspects };
  }

  /** RETURNING has no order of its own. */
  #beginAll(claimed: ClaimedJob[]): void {
    claimed.sort((a, b) => a.priority - b.priority || a.vt - b.vt || a.seq - b.seq);
    for (const job of claimed) {
      if (this.#deps.metrics !== undefined) noteClaimed(this.#deps.metrics, job);
      if (this.#stopping) this.#giveBack(job);
      else this.#begin(job);
    }
    this.#setDeadline();
  }

  #begin(job: ClaimedJob): void {
    const run = this.#newRun(job);
    const key = keyOf(job);
    this.#running.set(key, run);
    void run.execute().then((outcome) => {
      if (run.isGivenUp) this.#becomeStuck();
      // Not in the map any more: the job was released or the lease was lost meanwhile, and its outcome is not ours to write.
      if (!this.#running.delete(key)) return;
      if (run.mustEndAt === this.#deadline) this.#setDeadline();
      this.#paces.note(job, run.ranMs);
      if (this.#deps.metrics !== undefined) noteRun(this.#deps.metrics, { job, outcome }, run.ranMs);
      this.#unsettled.push({ job, outcome });
      this.#deps.wakeUp.now();
    });
  }

  #newRun(job: ClaimedJob): Run {
    const { hosts, handlers, jobTimeoutMs } = this.#deps;
    const handler = handlers.get(job.jobType);
    const isHosted = job.crashes > 0 || handler?.isolated === true;
    if (hosts === null || !isHosted) return new JobRun(job, this.#deps);
    return new HostedRun(job, { hosts, timeoutMs: handler?.timeoutMs ?? jobTimeoutMs });
  }

  #giveBack(job: ClaimedJob): void {
    this.#unsettled.push({ job, outcome: { kind: 'released', delayMs: 0 } });
  }

  #giveBackRunning(): void {
    for (const { job } of this.#running.values()) this.#giveBack(job);
    this.#abandonAll(new AppError('lease_lost', 'The worker is stopping'));
  }

  #abandonAll(reason: AppError): void {
    const running = [...this.#running.values()];
    this.#running.clear();
    this.#setDeadline();
    for (const run of running) run.abort(reason);
  }

  /** The first of the running jobs that must have ended: the thread of the lease ends a process that lets this pass. */
  #setDeadline(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    for (const { mustEndAt } of this.#running.values()) this.#deadline = Math.min(this.#deadline, mustEndAt);
    this.#deps.lease.deadline.setIn(this.#deadline - performance.now());
  }

  #becomeStuck(): void {
    if (this.#isStuck) return;
    this.#isStuck = true;
    this.#deps.log.error({ event: 'worker.handler_stuck' }, 'a handler ignores its signal; the process is replaced');
    this.#deps.onStuck();
  }

  #becomeUseless(error: AppError): void {
    if (this.#isUseless) return;
    this.#isUseless = true;
    this.#deps.log.error({ event: 'worker.database_failed', err: error }, 'the database file has failed');
    this.#deps.onDatabaseFailed(error);
  }

  /** Without a lease there is nothing to ask for: the next one wakes the loop. */
  #mayClaim(): boolean {
    return !this.#stopping && !this.#isAlone() && this.#freeSlots() > 0 && this.#deps.lease.workerId !== null;
  }

  #isAlone(): boolean {
    const [only] = this.#running.values();
    return this.#deps.hosts === null && only !== undefined && only.job.crashes > 0;
  }

  #freeSlots(): number {
    return this.#deps.concurrency - this.#running.size;
  }

  #roomFor(jobType: string): number {
    const most = this.#deps.handlers.get(jobType)?.concurrency ?? this.#deps.concurrency;
    let running = 0;
    for (const { job } of this.#running.values()) if (job.jobType === jobType) running++;
    return most - running;
  }

  #reportStored(settling: readonly Ended[], stored: readonly Row[]): void {
    const seqs = new Set(stored.map(({ seq }) => seq));
    for (const ended of settling) {
      const isStored = seqs.has(ended.job.seq);
      if (this.#deps.metrics !== undefined) {
        noteSettled(this.#deps.metrics, ended, !isStored && !this.#saidBefore.has(ended));
      }
      if (!isStored) this.#reportStale(ended);
    }
  }

  #reportStale(settlement: Settlement): void {
    const { job, outcome } = settlement;
    const fields = { seq: job.seq, outcome: outcome.kind };
    if (this.#saidBefore.has(settlement)) {
      this.#deps.log.info(
        { event: 'job.outcome_repeated', ...fields },
        'an outcome was said again after a lost answer, and had been stored the first time or was too late',
      );
      return;
    }
    this.#deps.log.warn(
      { event: 'job.stale_outcome', ...fields },
      'another worker has taken the job over; this outcome is dropped',
    );
  }

  #reportRescued(row: Row): void {
    const { job_id, status } = row;
    this.#deps.metrics?.count('anyrag_job_rescues_total', { status: String(status) });
    this.#deps.log.warn({ event: 'job.rescued', job_id, status }, 'took over a job of a dead worker');
  }
}

function keyOf({ seq, fence }: Settlement['job']): string {
  return `${seq}:${fence}`;
}

/**
 * All of them, or so many that a claim can name: SQLite joins 500 SELECTs at most, and a claim has two for each line. Which,
 * is left to chance, so that no line is passed over for long.
 */
function someOf(lines: readonly Line[]): Line[] {
  const some = [...lines];
  while (some.length > MAX_LINES) {
    const index = Math.floor(Math.random() * some.length);
    some[index] = some.at(-1)!;
    some.pop();
  }
  return some;
}

function queuesOf(lines: readonly { queue: string }[]): string[] {
  return [...new Set(lines.map(({ queue }) => queue))];
}
