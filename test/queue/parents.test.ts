import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Statement } from '../../src/db/database.ts';
import { type Row, sql } from '../../src/db/sql.ts';
import { type ClaimedJob, cancelJob, settleJobs } from '../../src/jobs/index.ts';
import { createTestDatabase } from '../harness/database.ts';
import { queueOn } from '../harness/queue.ts';

const ROUNDS = Number(process.env.QUEUE_RACES ?? 40);
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

/** Each time that a parent stops waiting for its children, whatever ended that. */
const RELEASES = [
  'CREATE TABLE releases (job_id TEXT, status TEXT)',
  `CREATE TRIGGER log_releases AFTER UPDATE OF wait ON jobs WHEN old.wait = 'children' AND new.wait IS NOT 'children' BEGIN
    INSERT INTO releases VALUES (new.job_id, new.status);
  END`,
];

async function world() {
  const { db, url, close } = await createTestDatabase();
  onTestFinished(close);
  const queue = queueOn(db);
  await queue.run(...RELEASES.map((text) => ({ text, values: [] })));
  await queue.register('w');

  /** A parent that waits for two children, which both run. */
  async function family(): Promise<{ parentId: string; children: ClaimedJob[] }> {
    const parentId = await queue.enqueue();
    const [parent] = await queue.claim('w', 1);
    await queue.enqueueAll([{ parentId }, { parentId }]);
    await queue.settle(parent!, { kind: 'parked' });
    return { parentId, children: await queue.claim('w', 2) };
  }
  const releases = (parentId: string) => db.query(sql`SELECT status FROM releases WHERE job_id = ${parentId}`);
  return { db, url, queue, family, releases };
}

async function startRacers(url: string): Promise<[ChildProcess, ChildProcess]> {
  const start = async () => {
    const racer = fork(join(import.meta.dirname, 'batch-process.ts'), [url], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    const ended = once(racer, 'exit');
    onTestFinished(async () => {
      racer.kill('SIGKILL');
      await ended;
    });
    await once(racer, 'message');
    return racer;
  };
  return Promise.all([start(), start()]);
}

async function runIn(racer: ChildProcess, batch: Statement[]): Promise<unknown> {
  const answer = once(racer, 'message');
  racer.send(batch);
  return (await answer)[0];
}

function complete(job: ClaimedJob): Statement[] {
  return settleJobs([{ job, outcome: { kind: 'completed', result: {} } }]);
}

describe('23: two processes, one of which', () => {
  test(
    'finishes the last child while the other cancels the parent: it stops waiting once, and ends once as cancelled',
    async () => {
      const { url, queue, family, releases } = await world();
      const [finisher, canceller] = await startRacers(url);
      for (let round = 0; round < ROUNDS; round++) {
        const { parentId, children } = await family();
        await queue.settle(children[0]!, { kind: 'completed', result: {} });

        const answers = await Promise.all([
          runIn(finisher, complete(children[1]!)),
          runIn(canceller, cancelJob(parentId, EVERYBODY)),
        ]);

        expect(answers).toEqual([null, null]);
        const [release, ...others] = await releases(parentId);
        expect(others).toEqual([]);
        // Either may come first.
        expect(['pending', 'cancelled']).toContain(release!.status);
        expect(await queue.row(parentId)).toMatchObject({ status: 'cancelled', wait: null, open_children: 0 });
        expect(await queue.row(children[1]!.jobId)).toMatchObject({ status: 'completed' });
      }
    },
    Math.max(60_000, ROUNDS * 1_000),
  );

  test(
    'finishes one child while the other finishes the other one: the parent goes on once',
    async () => {
      const { url, queue, family, releases } = await world();
      const [first, second] = await startRacers(url);
      for (let round = 0; round < ROUNDS; round++) {
        const { parentId, children } = await family();

        await Promise.all([runIn(first, complete(children[0]!)), runIn(second, complete(children[1]!))]);

        expect(await releases(parentId)).toEqual([{ status: 'pending' }]);
        const [parent, ...others] = await queue.claim('w', 10);
        expect(others).toEqual([]);
        expect(parent).toMatchObject({ jobId: parentId, attempt: 1 });
        await queue.settle(parent!, { kind: 'completed', result: {} });
      }
    },
    Math.max(60_000, ROUNDS * 1_000),
  );
});

test('cancelling a parent ends what waits below it at any depth, and tells what runs', async () => {
  const { queue, family } = await world();
  const { parentId, children } = await family();
  const [waiting, running] = children as [ClaimedJob, ClaimedJob];
  const [below] = await queue.enqueueAll([{ parentId: waiting.jobId }]);
  const [deepest] = await queue.claim('w', 1);
  const [last] = await queue.enqueueAll([{ parentId: below! }, { parentId: running.jobId }]);
  await queue.settle(deepest!, { kind: 'parked' });
  await queue.settle(waiting, { kind: 'parked' });

  await queue.run(...cancelJob(parentId, EVERYBODY));

  const states = async (...ids: (string | undefined)[]) =>
    Promise.all(ids.map(async (id) => pick(await queue.row(id!))));
  const ended = { status: 'cancelled', open_children: 0, wait: null };
  expect(await states(waiting.jobId, below, last)).toEqual([ended, ended, ended]);
  expect((await queue.row(running.jobId)).cancel_at).toBeTypeOf('number');
  expect(await states(running.jobId)).toEqual([{ status: 'processing', open_children: 1, wait: null }]);
});

function pick({ status, open_children, wait }: Row) {
  return { status, open_children, wait };
}
