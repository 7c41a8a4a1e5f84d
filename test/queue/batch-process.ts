/** Usage: batch-process.ts <url>. Runs each batch that its parent sends and answers null, or the code of what went wrong. */
import type { Statement } from '../../src/db/database.ts';
import { openDatabase } from '../../src/db/open-database.ts';

const [url = ''] = process.argv.slice(2);
const { database: db } = await openDatabase({ url, durability: 'normal' });
process.on('message', async (batch: Statement[]) => {
  const code = await db.batch(batch).then(
    () => null,
    (error: { code?: string }) => error.code ?? String(error),
  );
  process.send?.(code);
});
process.on('disconnect', () => void db.close());
process.send?.('ready');
