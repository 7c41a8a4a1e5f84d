import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/db/open-database.ts';
import { createTestDatabase } from '../harness/database.ts';
import { QueueTrial, type Step, step } from './operations.ts';
import { shrink } from './shrink.ts';

/** Steps in all; the long run has a hundred thousand and more. */
const STEPS = Number(process.env.QUEUE_STEPS ?? 5_000);
/** Another one each time: what fails says which it was. */
const SEED = Number(process.env.QUEUE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const STEPS_PER_HISTORY = Math.min(250, STEPS);
const WORKERS = 3;
const SHRINKING_TRIES = 200;

async function failureOf(steps: readonly Step[]): Promise<Error | null> {
  const { db, url, close } = await createTestDatabase();
  const others = await Promise.all(
    Array.from({ length: WORKERS - 1 }, async () => (await openDatabase({ url, durability: 'normal' })).database),
  );
  try {
    const trial = new QueueTrial([db, ...others]);
    await trial.start();
    for (const [index, step] of steps.entries()) {
      await trial.take(step).catch((error: Error) => {
        throw new Error(`after step ${index}, ${JSON.stringify(step)}: ${error.message}`, { cause: error });
      });
    }
    return null;
  } catch (error) {
    return error as Error;
  } finally {
    for (const other of others) await other.close();
    await close();
  }
}

test(
  '17: any history of workers, handlers and operators leaves what the model of the queue says',
  async () => {
    const history = fc.array(step, { minLength: STEPS_PER_HISTORY, maxLength: STEPS_PER_HISTORY, size: 'max' });
    const histories = fc.sample(history, { seed: SEED, numRuns: Math.ceil(STEPS / STEPS_PER_HISTORY) });
    for (const steps of histories) {
      if ((await failureOf(steps)) === null) continue;
      const shortest = await shrink(steps, failureOf, SHRINKING_TRIES);
      const told = shortest.map((taken) => JSON.stringify(taken)).join('\n');
      throw new Error(`QUEUE_SEED=${SEED} fails, in short:\n${told}`, { cause: await failureOf(shortest) });
    }
    expect(histories.flat().length).toBeGreaterThanOrEqual(STEPS);
  },
  Math.max(300_000, STEPS * 60),
);
