import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { closedLabels, definitionOf, METRICS, type MetricName } from './metrics.ts';
import { type MetricSnapshot, PrometheusMetrics, renderMetrics } from './prometheus.ts';

const NAMES = Object.keys(METRICS) as MetricName[];

/** Rows of the tables of docs/metrics.md: name, type, labels, meaning. */
function documented(): Map<string, { type: string; labels: string[] }> {
  const text = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  const rows = text.matchAll(/^\| `([a-z_0-9]+)` \| (counter|gauge|histogram) \| ([^|]*) \|/gm);
  return new Map(
    [...rows].map(([, name, type, labels]) => [
      name!,
      { type: type!, labels: [...labels!.matchAll(/`(\w+)`/g)].map((match) => match[1]!) },
    ]),
  );
}

async function everything(): Promise<MetricSnapshot[]> {
  const metrics = new PrometheusMetrics({
    onFailed: (error) => {
      throw error;
    },
  });
  metrics.measureProcess();
  for (const name of NAMES) {
    const labels = closedLabels(name, {}) as never;
    if (definitionOf(name).type === 'histogram') metrics.observe(name as never, labels, 1);
    else if (definitionOf(name).type === 'gauge') metrics.add(name as never, labels, 1);
    else metrics.count(name as never, labels);
  }
  return metrics.snapshot();
}

test('docs/metrics.md tells every metric with its type and labels, those of the process too, and no others', async () => {
  const rows = documented();
  for (const name of NAMES) {
    const { type, labels } = definitionOf(name);
    expect(rows.get(name), name).toEqual({ type, labels: Object.keys(labels) });
  }
  const served = new Set([...(await everything()).map(({ name }) => name), ...NAMES]);
  expect([...rows.keys()].sort()).toEqual([...served].sort());
});

test('no label is an id, an address, a query or a text', () => {
  const labels = new Set(NAMES.flatMap((name) => Object.keys(definitionOf(name).labels)));
  for (const label of labels) expect(label).not.toMatch(/(^|_)(id|user|document|url|path|query|email|tenant|address)$/);
});

test('a value outside of a closed set is not passed on', () => {
  expect(closedLabels('anyrag_http_problems_total', { code: 'made up' })).toEqual({ code: '_OTHER' });
});

describe('Prometheus', () => {
  const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
  if (!hasPromtool) process.stderr.write('promtool is not installed: the text of the metrics is not checked by it\n');

  test.skipIf(!hasPromtool)('finds nothing to complain about in the text of two processes', async () => {
    const metrics = await everything();
    const processes = ['api', 'worker-1'].map((process) => ({ process, metrics }));
    const { text } = await renderMetrics(processes, 'text');
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});
