import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../harness/free-port.ts';
import { LAUNCHER, startServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

const GUESTS = { ALLOW_GUEST_INGESTION: 'true' };

async function scrape(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

const ingest = (url: string) =>
  fetch(`${url}/ingest/text`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'Otters eat fish.' }),
  });

test('the API under `up` serves what the workers and the processes of their jobs have measured', async () => {
  const server = await startServer({ workers: 2, env: GUESTS });
  onTestFinished(() => server.stop());
  expect((await ingest(server.url)).status).toBe(202);
  const stage =
    /anyrag_ingestion_stage_duration_seconds_count{process="worker-\d",stage="chunk",outcome="completed"} 1/;
  const text = await waitUntil(async () => {
    const now = await scrape(server.url);
    return stage.test(now) && /anyrag_job_outcomes_total{.*outcome="completed"} 1/.test(now) ? now : null;
  }, 'the metrics of the job');
  expect(text).toMatch(/anyrag_job_claims_total{process="worker-\d",job_type="ingest"} 1/);
  for (const process of ['api', 'worker-1', 'worker-2']) {
    expect(text).toContain(`process_resident_memory_bytes{process="${process}"}`);
  }
  expect(text).toContain('anyrag_workers{process="api"} 2');
  // What is of the whole installation is told once.
  expect(text.match(/^anyrag_db_file_bytes/gm)).toHaveLength(1);
}, 90_000);

test('a worker of its own serves its metrics at WORKER_METRICS_PORT', async () => {
  const server = await startServer({ workers: 0 });
  onTestFinished(() => server.stop());
  const port = await freePort();
  const env = { ...server.env, WORKER_METRICS_PORT: String(port) };
  const worker = spawn(LAUNCHER, ['worker'], { cwd: server.dataDir, env, stdio: 'ignore' });
  onTestFinished(async () => {
    if (worker.exitCode === null && worker.kill()) await once(worker, 'exit');
  });
  const url = `http://127.0.0.1:${port}`;
  const text = await waitUntil(() => scrape(url).catch(() => null), 'the metrics of the worker', 30_000);
  expect(text).toContain('process_resident_memory_bytes{process="worker"}');
  expect((await fetch(`${url}/else`)).status).toBe(404);
}, 90_000);

test('with METRICS=off nothing is measured or served', async () => {
  const server = await startServer({ env: { METRICS: 'off' } });
  onTestFinished(() => server.stop());
  expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
}, 90_000);
