import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { formatTable } from '../../eval/table.ts';
import { median, quantile } from '../statistics.ts';
import { anyrag } from './contenders/anyrag.ts';
import { limit } from './contenders/limit.ts';
import { plainjob } from './contenders/plainjob.ts';
import { brokenFloors } from './floor.ts';
import { measureIdleCpu, measureLatency } from './idle-worker.ts';
import { measureOperations, type Operations, type Timing } from './operations.ts';
import { serverPeers } from './peers.ts';
import { type Cell, measureThroughput } from './throughput.ts';

const USAGE = `Usage: script/bench-jobs [throughput] [latency] [idle] [operations] [--jobs N] [--rounds N] [--finished N]
                        [--without-servers] [--ten-million] [--check] [--json]
Without a name all are run. --jobs: of one measurement (default 80000). --rounds: of all contenders in turn (default 3).
--finished: rows of finished jobs for the full database (default 1000000). --without-servers: leaves out who needs
PostgreSQL or Redis. --ten-million: single operations over ten million as well (6 GB of disk). --check: ends with 1 when a
ratio falls below its floor. BENCH_DIR names the folder for the databases, if not the temporary one.`;

type Figures = { [name: string]: number };

const PROCESSES = [1, 4];
/** Of jobs that are claimed and completed by 32. */
const PER_JOB: { [name: string]: (operations: Operations) => number } = {
  'cpu, us': ({ cpuMicrosPerJob }) => cpuMicrosPerJob,
  'log of enqueue, bytes': ({ logBytesPerJob }) => logBytesPerJob.enqueue,
  'log of claim and complete, bytes': ({ logBytesPerJob }) => logBytesPerJob['claim and complete'],
};
const { names, jobs, rounds, finished, withServers, tenMillion, check, json } = readOptionsOrExit();
const CONTENDERS = [plainjob, anyrag, limit, ...(withServers ? serverPeers(console.error) : [])];
const sections: { [name: string]: () => Promise<Figures> } = { throughput, latency, idle, operations };
const loadBefore = loadavg()[0]!;
say(`load ${loadBefore.toFixed(1)}, Node ${process.version}\n`);
say(`${CONTENDERS.map((contender) => `${contender.name}: ${contender.settings}`).join('\n')}`);
const figures: Figures = {};
for (const name of names) Object.assign(figures, await sections[name]!());
const loadAfter = loadavg()[0]!;
say(`\nload ${loadAfter.toFixed(1)}`);
if (json) console.log(JSON.stringify({ load_before: loadBefore, ...figures, load_after: loadAfter }, null, 2));
const broken = check ? brokenFloors(figures, finished) : [];
for (const sentence of broken) console.error(`bench-jobs: ${sentence}`);
process.exitCode = broken.length === 0 ? 0 : 1;

async function throughput(): Promise<Figures> {
  const cells = await measureThroughput({
    contenders: CONTENDERS,
    jobs,
    rounds,
    processes: PROCESSES,
    finished: [0, finished],
    onCell: (cell) => {
      const rate = cell.jobsPerSecond.toFixed(0);
      console.error(`  ${cell.contender} ${cell.processes} x, ${cell.finished} finished: ${rate} jobs/s`);
    },
  });
  const summaries = [0, finished].flatMap((rowsBefore) =>
    PROCESSES.flatMap((processes) =>
      summarise(cells.filter((cell) => cell.finished === rowsBefore && cell.processes === processes)),
    ),
  );
  const header = ['throughput', 'jobs/s', 'of plainjob', 'cpu us/job', 'of plainjob'];
  say(`\n${formatTable(header, summaries.map(toRow))}`);
  say(`medians of ${rounds} rounds, ratios within a round; every one of ${cells.length * jobs} jobs ran exactly once`);
  return Object.assign({}, ...summaries.map(toFigures));
}

/** Medians over the rounds. */
interface Summary extends Omit<Cell, 'round'> {
  /** The same divided by plainjob's of the same round. */
  speedRatio: number;
  cpuRatio: number;
}

/** Of cells that differ in contender and round alone. */
function summarise(cells: readonly Cell[]): Summary[] {
  return CONTENDERS.map(({ name }) => {
    const own = cells.filter((cell) => cell.contender === name);
    const bases = own.map(({ round }) =>
      cells.find((cell) => cell.contender === plainjob.name && cell.round === round),
    ) as Cell[];
    return {
      contender: name,
      processes: own[0]!.processes,
      finished: own[0]!.finished,
      jobsPerSecond: median(own.map((cell) => cell.jobsPerSecond)),
      cpuMicrosPerJob: median(own.map((cell) => cell.cpuMicrosPerJob)),
      speedRatio: median(own.map((cell, index) => cell.jobsPerSecond / bases[index]!.jobsPerSecond)),
      cpuRatio: median(own.map((cell, index) => cell.cpuMicrosPerJob / bases[index]!.cpuMicrosPerJob)),
    };
  });
}

function toRow(summary: Summary): string[] {
  const { contender, processes, jobsPerSecond, speedRatio, cpuMicrosPerJob, cpuRatio } = summary;
  return [
    `${contender}, ${processes} process${processes === 1 ? '' : 'es'}, ${summary.finished} finished`,
    jobsPerSecond.toFixed(0),
    speedRatio.toFixed(2),
    cpuMicrosPerJob.toFixed(1),
    cpuRatio.toFixed(2),
  ];
}

function toFigures(summary: Summary): Figures {
  const key = `${summary.contender}_${summary.processes}p_${summary.finished}`;
  return {
    [`${key}_jobs_per_s`]: summary.jobsPerSecond,
    [`${key}_jobs_per_s_of_plainjob`]: summary.speedRatio,
    [`${key}_cpu_us_per_job`]: summary.cpuMicrosPerJob,
    [`${key}_cpu_of_plainjob`]: summary.cpuRatio,
  };
}

async function latency(): Promise<Figures> {
  const ms = await measureLatency(anyrag, 200);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(ms, share)) as [number, number, number];
  const percentiles = `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)}`;
  say(`\nenqueue in one process to start in another that is idle, ms: ${percentiles}`);
  return { latency_p50_ms: p50, latency_p95_ms: p95, latency_p99_ms: p99 };
}

async function idle(): Promise<Figures> {
  const share = await measureIdleCpu(anyrag, 10_000);
  say(`\nidle worker over 10 s: ${(share * 100).toFixed(2)} % of a core`);
  return { idle_cpu_percent: share * 100 };
}

async function operations(): Promise<Figures> {
  const counts = tenMillion ? [0, finished, 10_000_000] : [0, finished];
  const measured: Operations[] = [];
  for (const count of counts) measured.push(await measureOperations(count, 300));
  const header = (title: string) => [title, ...counts.map((count) => `${count} finished`)];
  const names = Object.keys(measured[0]!.calls);
  const calls = names.map((name) => [name, ...measured.map((operations) => toTiming(operations.calls[name]!))]);
  say(`\n${formatTable(header('one call, us: p50 / p99'), calls)}`);
  const perJob = Object.entries(PER_JOB);
  say(
    `\n${formatTable(
      header('per job'),
      perJob.map(([name, of]) => [name, ...measured.map((all) => of(all).toFixed(0))]),
    )}`,
  );
  return Object.assign({}, ...measured.map((all, index) => operationFigures(all, counts[index]!)));
}

function toTiming({ p50Micros, p99Micros }: Timing): string {
  return `${p50Micros.toFixed(0)} / ${p99Micros.toFixed(0)}`;
}

function operationFigures({ calls, cpuMicrosPerJob, logBytesPerJob }: Operations, finished: number): Figures {
  const timings = Object.entries(calls).flatMap(([name, { p50Micros, p99Micros }]) => [
    [`${name.replaceAll(' ', '_')}_${finished}_us`, p50Micros],
    [`${name.replaceAll(' ', '_')}_${finished}_p99_us`, p99Micros],
  ]);
  return {
    ...Object.fromEntries(timings),
    [`job_${finished}_cpu_us`]: cpuMicrosPerJob,
    [`enqueue_${finished}_log_bytes`]: logBytesPerJob.enqueue,
    [`job_${finished}_log_bytes`]: logBytesPerJob['claim and complete'],
  };
}

function say(text: string): void {
  if (!json) console.log(text);
}

function readOptionsOrExit() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        check: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        'without-servers': { type: 'boolean', default: false },
        'ten-million': { type: 'boolean', default: false },
        jobs: { type: 'string', default: '80000' },
        rounds: { type: 'string', default: '3' },
        finished: { type: 'string', default: '1000000' },
      },
    });
    const known = ['throughput', 'latency', 'idle', 'operations'];
    const unknown = positionals.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new TypeError(`There is no benchmark ${unknown}.`);
    return {
      names: positionals.length > 0 ? positionals : known,
      jobs: wholeNumber(values.jobs, '--jobs'),
      rounds: wholeNumber(values.rounds, '--rounds'),
      finished: wholeNumber(values.finished, '--finished'),
      withServers: !values['without-servers'],
      tenMillion: values['ten-million'],
      check: values.check,
      json: values.json,
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(64);
  }
}

function wholeNumber(text: string, option: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`${option} must be a whole number of 1 or more.`);
}
