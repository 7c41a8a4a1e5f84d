import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ApiUser, registerOver } from '../test/harness/api-user.ts';
import { bareEnvironment, startServer, type TestServer } from '../test/harness/server.ts';
import { madeLanguage } from './made-text.ts';
import { type Report, readable } from './report.ts';
import { quantile, timed } from './statistics.ts';

const SCRIPT = join(import.meta.dirname, '../script/server');
const START_MS = 120_000;

/** Time from the command to a server that answers, on an empty data directory and on the same one again. */
export async function benchStart(): Promise<Report> {
  const dataDir = await mkdtemp(join(tmpdir(), 'anyrag-bench-'));
  try {
    const coldMs = await timeToReady(dataDir);
    const againMs = await timeToReady(dataDir);
    return {
      title: 'Start of script/server with the default settings',
      header: ['', 'seconds to ready'],
      rows: [
        ['empty data directory', readable(coldMs / 1_000)],
        ['second start', readable(againMs / 1_000)],
      ],
      figures: { start_cold_ms: coldMs, start_again_ms: againMs },
      summary: `script/server is ready after ${readable(coldMs / 1_000)} s, and again after ${readable(againMs / 1_000)} s.`,
    };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function timeToReady(dataDir: string): Promise<number> {
  const env = { ...bareEnvironment(), DATA_DIR: dataDir, PORT: '0' };
  const startedAt = performance.now();
  const server = spawn(SCRIPT, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await untilEvent(server, 'up.ready');
    return performance.now() - startedAt;
  } finally {
    if (server.exitCode === null) {
      const exited = once(server, 'exit');
      server.kill('SIGTERM');
      await exited;
    }
  }
}

function untilEvent(server: ChildProcess, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} within ${START_MS} ms`)), START_MS);
    server.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with code ${code} before ${event}`));
    });
    createInterface({ input: server.stdout! }).on('line', (line) => {
      if (!line.includes(`"event":"${event}"`)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

const BACKLOG_FILES = 40;
const BACKLOG_CHARS = 300_000;
const UPLOADS = 150;
const UPLOAD_CHARS = 20_000;

/**
 * How long an upload takes to be accepted (202) over HTTP while a worker has more than it can do, beside the cheapest
 * request of the same server at the same time.
 */
export async function benchUploads(): Promise<Report> {
  const server = await startServer({ env: { LOG_LEVEL: 'info' } });
  try {
    const user = await registerOver(server.url, 'bench@example.com');
    const language = madeLanguage(3);
    for (let i = 0; i < BACKLOG_FILES; i++) await upload(user, `backlog-${i}.txt`, language.text(BACKLOG_CHARS));
    const uploads: number[] = [];
    const livez: number[] = [];
    for (let i = 0; i < UPLOADS; i++) {
      const body = language.text(UPLOAD_CHARS);
      uploads.push((await timed(() => upload(user, `file-${i}.txt`, body))).ms);
      livez.push((await timed(() => user.request('GET', '/livez'))).ms);
    }
    const waiting = await pendingJobs(user);
    return reportUploads(uploads, livez, waiting);
  } finally {
    await server.stop();
  }
}

function upload(user: ApiUser, name: string, text: string): Promise<unknown> {
  return user.upload({ name, content: Buffer.from(text) });
}

async function pendingJobs(user: ApiUser): Promise<number> {
  const { body } = await user.request('GET', '/jobs?status=pending&limit=100');
  return body.items.length;
}

function reportUploads(uploads: readonly number[], livez: readonly number[], waiting: number): Report {
  const row = (label: string, values: readonly number[]) => [
    label,
    readable(quantile(values, 0.5)),
    readable(quantile(values, 0.95)),
  ];
  const ratio = quantile(uploads, 0.5) / quantile(livez, 0.5);
  return {
    title: `${UPLOADS} uploads of ${UPLOAD_CHARS / 1_000} kB while a worker is busy (${waiting === 100 ? '100 or more' : waiting} jobs waiting at the end)`,
    header: ['', 'p50 ms', 'p95 ms'],
    rows: [
      row('POST /ingest/file → 202', uploads),
      row('GET /livez', livez),
      ['ratio of the medians', readable(ratio), ''],
    ],
    figures: {
      upload_p50_ms: quantile(uploads, 0.5),
      upload_p95_ms: quantile(uploads, 0.95),
      livez_p50_ms: quantile(livez, 0.5),
      livez_p95_ms: quantile(livez, 0.95),
      upload_to_livez: ratio,
      jobs_waiting: waiting,
    },
    summary: `An upload is accepted in ${readable(quantile(uploads, 0.5))} ms, ${readable(ratio)} times GET /livez.`,
  };
}

const LARGE_BYTES = 100_000_000;

/** Memory of the API process at its highest, before and after it has taken in a large file. Linux only. */
export async function benchLargeUpload(): Promise<Report> {
  const server = await startServer({ env: { SHUTDOWN_GRACE_MS: '1000' } });
  try {
    const user = await registerOver(server.url, 'bench@example.com');
    // The first upload loads what every upload needs.
    await upload(user, 'small.txt', 'A few words.');
    const before = await peakMegabytes(server);
    const content = new Uint8Array(LARGE_BYTES).fill(0x20);
    const { ms } = await timed(() => user.upload({ name: 'large.txt', content }));
    const after = await peakMegabytes(server);
    return {
      title: `Upload of ${LARGE_BYTES / 1e6} MB`,
      header: ['', 'peak RSS of the API, MB'],
      rows: [
        ['before', readable(before)],
        ['after', readable(after)],
        ['seconds', readable(ms / 1_000)],
      ],
      figures: { rss_before_mb: before, rss_after_mb: after, large_upload_ms: ms },
      summary: `The API holds at most ${readable(after)} MB while it takes in ${LARGE_BYTES / 1e6} MB.`,
    };
  } finally {
    await server.stop();
  }
}

/** The kernel's high-water mark; null where there is no `/proc`. */
async function peakMegabytes(server: TestServer): Promise<number | null> {
  const { pid } = server.log.findLast((line) => line.event === 'api.listening')!;
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null);
  const kilobytes = status === null ? null : /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes ? (Number(kilobytes) * 1_024) / 1e6 : null;
}
