/**
 * What docs/jobs.md says of the queue, as plain code: no SQL, no clock. Where the prose leaves a choice (which of several
 * jobs gets a free place, whose turn it is) the model leaves it as well, and only says what may not be.
 */
export type Phase = 'line' | 'time' | 'children' | 'processing' | 'completed' | 'failed' | 'cancelled';

export interface ModelJob {
  readonly id: string;
  readonly jobType: string;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly uniqueKey: string | null;
  readonly limitKey: string | null;
  readonly rateKey: string | null;
  readonly parentId: string | null;
  /** `line`: it waits for nothing but its key, its rate and its turn. */
  phase: Phase;
  fence: number;
  attempts: number;
  crashes: number;
  workerId: string | null;
  isCancelAsked: boolean;
}

export type NewModelJob = Pick<
  ModelJob,
  'id' | 'jobType' | 'priority' | 'maxAttempts' | 'uniqueKey' | 'limitKey' | 'rateKey' | 'parentId'
> & { isDelayed: boolean };

export interface Claim {
  readonly id: string;
  readonly fence: number;
}

export type Ending = 'completed' | 'failed' | 'retry' | 'released' | 'snoozed' | 'crashed' | 'parked' | 'cancelled';

export const MAX_CRASHES = 3;
const FINAL: ReadonlySet<Phase> = new Set(['completed', 'failed', 'cancelled']);

export class QueueModel {
  readonly jobs = new Map<string, ModelJob>();
  /** Workers whose lease is valid. */
  readonly alive = new Set<string>();
  readonly pausedTypes = new Set<string>();
  /** Starts that a rate still allows. */
  readonly starts = new Map<string, number>();

  /** Whether it was added: while a job with its unique key lives, it is not. */
  enqueue({ isDelayed, ...job }: NewModelJob): boolean {
    if (!this.#isKeyFree(job.uniqueKey)) return false;
    const state = { fence: 0, attempts: 0, crashes: 0, workerId: null, isCancelAsked: false };
    this.jobs.set(job.id, { ...job, ...state, phase: isDelayed ? 'time' : 'line' });
    return true;
  }

  /** Whether this is the job's last claim and still runs; nobody else may write. */
  holds({ id, fence }: Claim): boolean {
    const job = this.jobs.get(id);
    return job?.phase === 'processing' && job.fence === fence;
  }

  /** Throws where the claim may not be: a second one, one out of turn, or one without a lease. */
  claim(id: string, workerId: string): ModelJob {
    const job = this.jobs.get(id)!;
    if (!this.alive.has(workerId)) throw new Error(`${workerId} claimed without a lease`);
    if (job.phase !== 'line') throw new Error(`a job in phase ${job.phase} was claimed`);
    if (this.pausedTypes.has(job.jobType)) throw new Error('a paused job was claimed');
    if (job.rateKey !== null) {
      const starts = this.starts.get(job.rateKey)!;
      if (starts < 1) throw new Error(`the rate ${job.rateKey} allows no start`);
      this.starts.set(job.rateKey, starts - 1);
    }
    Object.assign(job, { phase: 'processing', workerId, fence: job.fence + 1, attempts: job.attempts + 1 });
    return job;
  }

  /** Whether the claim could still say so. */
  settle(claim: Claim, ending: Ending): boolean {
    if (!this.holds(claim)) return false;
    const job = this.jobs.get(claim.id)!;
    job.workerId = null;
    if (ending === 'released' || ending === 'snoozed' || ending === 'parked') job.attempts--;
    if (ending === 'crashed') job.crashes++;
    if (ending === 'completed' || ending === 'failed' || ending === 'cancelled') this.#end(job, ending);
    else if (job.isCancelAsked) this.#end(job, 'cancelled');
    else if (this.#isExhausted(job, ending)) this.#end(job, 'failed');
    else job.phase = this.#waitAfter(job, ending);
    return true;
  }

  /** Jobs whose worker has lost its lease: those, and no others, may be taken over. */
  rescue(): string[] {
    const lost = [...this.jobs.values()].filter(
      ({ phase, workerId }) => phase === 'processing' && !this.alive.has(workerId!),
    );
    for (const { id, fence } of lost) this.settle({ id, fence }, 'crashed');
    return lost.map(({ id }) => id);
  }

  /** Whether there was something to cancel. */
  cancel(id: string): boolean {
    const job = this.jobs.get(id);
    if (job === undefined || FINAL.has(job.phase)) return false;
    job.isCancelAsked = true;
    if (job.phase !== 'processing') this.#end(job, 'cancelled');
    return true;
  }

  /** Somebody wishes a failed or cancelled job to run again; whether it does. */
  revive(id: string): boolean {
    const job = this.jobs.get(id);
    if (job?.phase !== 'failed' && job?.phase !== 'cancelled') return false;
    if (!this.#isKeyFree(job.uniqueKey)) return false;
    const phase = this.openChildren(id) > 0 ? 'children' : 'line';
    Object.assign(job, { phase, attempts: 0, crashes: 0, isCancelAsked: false });
    return true;
  }

  passTime(): void {
    for (const job of this.jobs.values()) if (job.phase === 'time') job.phase = 'line';
  }

  /** Finished jobs go, but not the children of a job that lives. */
  prune(): void {
    const gone = [...this.jobs.values()].filter(({ phase, parentId }) => {
      const parent = parentId === null ? undefined : this.jobs.get(parentId);
      return FINAL.has(phase) && (parent === undefined || FINAL.has(parent.phase));
    });
    for (const { id } of gone) this.jobs.delete(id);
  }

  openChildren(id: string): number {
    return [...this.jobs.values()].filter(({ parentId, phase }) => parentId === id && !FINAL.has(phase)).length;
  }

  #isKeyFree(key: string | null): boolean {
    return key === null || ![...this.jobs.values()].some((job) => job.uniqueKey === key && !FINAL.has(job.phase));
  }

  #isExhausted(job: ModelJob, ending: Ending): boolean {
    if (ending === 'crashed' && job.crashes >= MAX_CRASHES) return true;
    return (ending === 'crashed' || ending === 'retry') && job.attempts >= job.maxAttempts;
  }

  #waitAfter(job: ModelJob, ending: Ending): Phase {
    if (ending === 'released') return 'line';
    if (ending === 'parked') return this.openChildren(job.id) > 0 ? 'children' : 'line';
    return 'time';
  }

  /** The last child to end lets its parent go on; children of one that ended badly are not needed any more. */
  #end(job: ModelJob, phase: 'completed' | 'failed' | 'cancelled'): void {
    Object.assign(job, { phase, workerId: null });
    if (phase !== 'completed') {
      for (const child of [...this.jobs.values()]) if (child.parentId === job.id) this.cancel(child.id);
    }
    const parent = job.parentId === null ? undefined : this.jobs.get(job.parentId);
    if (parent?.phase === 'children' && this.openChildren(parent.id) === 0) parent.phase = 'line';
  }
}
