/** Usage: migrate.ts <path> <migrations directory>. Prints the versions it applied as JSON. */
import { openFileDatabase } from '../../src/db/file-database.ts';
import { migrate } from '../../src/db/migrate.ts';

const [path = '', directory = ''] = process.argv.slice(2);
const database = await openFileDatabase({ path, durability: 'normal' });
const { applied } = await migrate(database, directory);
await database.close();
process.stdout.write(JSON.stringify(applied));
