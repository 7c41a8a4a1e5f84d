import { z } from 'zod';
import { newId } from '../../base/ids.ts';
import type { Database, Statement } from '../../db/database.ts';
import { mergeWordIndex } from '../../documents/index.ts';
import { type JobContext, type JobHandler, RetryLater } from '../../jobs/index.ts';
import { slicesOf } from './plan.ts';
import { deleteErasedUser, selectErased } from './queries.ts';

/** Until it is looked again for what a request that was under way has added. */
const LOOK_AGAIN_MS = 60_000;
/** A hundred thousand documents take some minutes. */
const TIMEOUT_MS = 6 * 3_600_000;

/**
 * Removes what is left of erased accounts, all that there are, and their rows last: whatever it is stopped at, the next run
 * finds them again. In slices, each a short transaction, so that others get in between. Answers how many accounts have gone.
 */
export function eraseAccountsHandler({ db }: { db: Database }): JobHandler<object> {
  return {
    payload: z.strictObject({}),
    timeoutMs: TIMEOUT_MS,
    concurrency: 1,
    async run(_payload, context) {
      let erased = 0;
      for (;;) {
        const userIds = await selectErased(db);
        if (userIds.length === 0) return { erased };
        for (const userId of userIds) await clearAway(context, userId);
        // Once for all of them: it goes over the whole index.
        await mergeWords(context);
        const before = erased;
        for (const userId of userIds) erased += await remove(context, userId);
        if (erased === before) throw new RetryLater(LOOK_AGAIN_MS);
      }
    },
  };
}

async function clearAway(context: JobContext, userId: string): Promise<void> {
  for (const { stage, statements } of slicesOf(userId, `erased-${newId()}`)) {
    let slices = 0;
    do context.progress(stage, slices++, slices);
    while (await hasDone(context, statements));
  }
}

async function hasDone(context: JobContext, statements: Statement[]): Promise<boolean> {
  return (await context.write(statements)).some((rows) => rows.length > 0);
}

async function mergeWords(context: JobContext): Promise<void> {
  for (let from: 'start' | 'last' = 'start', merges = 0; ; from = 'last', merges++) {
    context.progress('words', merges, merges + 1);
    const rows = (await context.write(mergeWordIndex(from))) as { n: number }[][];
    if (from === 'last' && rows.at(-1)![0]!.n - rows[0]![0]!.n < 2) return;
  }
}

/** Nothing where a request that was under way has added something since; the next round takes it. */
async function remove(context: JobContext, userId: string): Promise<number> {
  const [gone] = await context.write([deleteErasedUser(userId)]);
  return gone!.length;
}
