/** Usage: scheduler.ts <url>. Runs a scheduler on the database until its standard input ends. */
import { once } from 'node:events';
import { openDatabase } from '../../src/db/open-database.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { Scheduler } from '../../src/worker/scheduler.ts';

const [url = ''] = process.argv.slice(2);
const { database: db } = await openDatabase({ url, durability: 'normal' });
const scheduler = new Scheduler({ db, log: createLogger({ level: 'silent', service: 'worker' }), schedules: [] });
scheduler.start();
process.stdout.write('started\n');
process.stdin.resume();
await once(process.stdin, 'end');
await scheduler.stop();
await db.close();
