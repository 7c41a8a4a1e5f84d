import { activeTrace } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** A call of `Metrics`, on its way to the process that counts it. */
export type Relayed =
  | { kind: 'count'; name: string; labels: Readonly<Record<string, string>>; by: number }
  | { kind: 'observe'; name: string; labels: Readonly<Record<string, string>>; value: number; traceId?: string };

const MAX_WAITING = 500;

/**
 * For a process that does not live as long as its counters should: it keeps none itself, and hands what it is told on to the
 * process that started it. Gauges are not relayed: they would never be taken back when the process dies.
 */
export class RelayedMetrics implements Metrics {
  readonly #send: (relayed: Relayed[]) => void;
  #waiting: Relayed[] = [];

  constructor(send: (relayed: Relayed[]) => void) {
    this.#send = send;
  }

  count(name: string, labels: Readonly<Record<string, string>>, by = 1): void {
    this.#add({ kind: 'count', name, labels, by });
  }

  add(): void {}

  observe(name: string, labels: Readonly<Record<string, string>>, value: number, traceId?: string): void {
    const trace = activeTrace.getStore();
    const exemplar = traceId ?? (trace?.sampled === true ? trace.traceId : undefined);
    this.#add({ kind: 'observe', name, labels, value, ...(exemplar !== undefined && { traceId: exemplar }) });
  }

  /** Sends what waits: to be called when a piece of work ends. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#send(waiting);
  }

  #add(relayed: Relayed): void {
    this.#waiting.push(relayed);
    if (this.#waiting.length >= MAX_WAITING) this.flush();
  }
}

/** The other side: counts what came. */
export function countRelayed(metrics: Metrics, relayed: readonly Relayed[]): void {
  for (const call of relayed) {
    // The names were checked where they were written.
    if (call.kind === 'count') metrics.count(call.name as never, call.labels as never, call.by);
    else metrics.observe(call.name as never, call.labels as never, call.value, call.traceId);
  }
}
