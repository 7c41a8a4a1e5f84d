import type { ChildProcess } from 'node:child_process';
import type { MetricSnapshot, ProcessMetrics, PrometheusMetrics } from '../telemetry/prometheus.ts';
import { tellParent } from './on-stop.ts';

/** A child that is busy for longer is left out of this scrape. */
const ANSWER_MS = 1_000;

type Request = { kind: 'metrics_wanted'; id: number };
type FromParent =
  | Request
  | { kind: 'supervised' }
  | { kind: 'metrics_collected'; id: number; processes: ProcessMetrics[] };
type FromChild = { kind: 'metrics'; id: number; metrics: MetricSnapshot[] } | { kind: 'metrics_asked'; id: number };

/** Under `up`: gives the metrics of this process to whoever asks for those of all. */
export function answerSupervisor(metrics: PrometheusMetrics): void {
  process.on('message', async (message: FromParent) => {
    if (message.kind !== 'metrics_wanted') return;
    tellParent({ kind: 'metrics', id: message.id, metrics: await metrics.snapshot() } satisfies FromChild);
  });
}

/** Under `up`: what the processes beside this one have measured. Elsewhere, and when nobody answers in time: nothing. */
export function collectorOfSiblings(): () => Promise<ProcessMetrics[]> {
  let isSupervised = false;
  const asked = new Map<number, (processes: ProcessMetrics[]) => void>();
  let lastId = 0;
  process.on('message', (message: FromParent) => {
    if (message.kind === 'supervised') isSupervised = true;
    if (message.kind === 'metrics_collected') asked.get(message.id)?.(message.processes);
  });
  return async () => {
    if (!isSupervised) return [];
    const id = ++lastId;
    const answer = new Promise<ProcessMetrics[]>((resolve) => asked.set(id, resolve));
    tellParent({ kind: 'metrics_asked', id } satisfies FromChild);
    try {
      return (await within(2 * ANSWER_MS, answer)) ?? [];
    } finally {
      asked.delete(id);
    }
  };
}

/** The supervisor's part: asks all other children when one asks. `others` by what they are called. */
export function exchangeMetrics(child: ChildProcess, others: () => ReadonlyMap<string, ChildProcess>): void {
  if (child.connected) child.send({ kind: 'supervised' } satisfies FromParent, ignoreGone);
  child.on('message', async (message: FromChild) => {
    if (message.kind !== 'metrics_asked') return;
    const collected = await Promise.all([...others()].map(([name, other]) => metricsOf(name, other)));
    const processes = collected.filter((metrics) => metrics !== null);
    if (child.connected)
      child.send({ kind: 'metrics_collected', id: message.id, processes } satisfies FromParent, ignoreGone);
  });
}

let lastRequest = 0;

async function metricsOf(process: string, child: ChildProcess): Promise<ProcessMetrics | null> {
  if (!child.connected) return null;
  const id = ++lastRequest;
  const { promise, resolve } = Promise.withResolvers<ProcessMetrics>();
  const onMessage = (message: FromChild) => {
    if (message.kind === 'metrics' && message.id === id) resolve({ process, metrics: message.metrics });
  };
  child.on('message', onMessage);
  child.send({ kind: 'metrics_wanted', id } satisfies FromParent, ignoreGone);
  try {
    return await within(ANSWER_MS, promise);
  } finally {
    child.off('message', onMessage);
  }
}

/** A process that has ended meanwhile is missing in this scrape, and nothing else. */
function ignoreGone(): void {}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
