import { openFileDatabase } from '../../src/db/file-database.ts';
import { type Statement, sql } from '../../src/db/sql.ts';
import { AppError } from '../../src/errors/app-error.ts';

/**
 * One of two programs that take the last admins away from each other. Each line on standard input is a round,
 * `way group victim`; the answer is `done`, or the code of the refusal.
 */
const db = await openFileDatabase({ path: process.argv[2]!, durability: 'normal' });

const WAYS: Record<string, (group: string, victim: string) => Statement> = {
  demote: (group, victim) =>
    sql`UPDATE group_memberships SET role = 'viewer' WHERE group_id = ${group} AND user_id = ${victim}`,
  remove: (group, victim) => sql`DELETE FROM group_memberships WHERE group_id = ${group} AND user_id = ${victim}`,
  replace: (group, victim) =>
    sql`INSERT OR REPLACE INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES (${group}, ${victim}, 'editor', 0, 0)`,
  end: (group, victim) =>
    sql`UPDATE group_memberships SET expires_at = 1 WHERE group_id = ${group} AND user_id = ${victim}`,
  disable: (_group, victim) => sql`UPDATE users SET status = 'disabled' WHERE user_id = ${victim}`,
  delete: (_group, victim) => sql`DELETE FROM users WHERE user_id = ${victim}`,
  revoke: (_group, victim) => sql`DELETE FROM user_roles WHERE user_id = ${victim} AND role = 'super_admin'`,
};

async function round(line: string): Promise<string> {
  const [way, group, victim] = line.split(' ') as [string, string, string];
  try {
    await db.batch([WAYS[way]!(group, victim)]);
    return 'done';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

process.stdout.write('ready\n');
let rest = '';
let queue = Promise.resolve();
process.stdin.setEncoding('utf8').on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop()!;
  for (const line of lines) {
    queue = queue.then(async () => void process.stdout.write(`${await round(line)}\n`));
  }
});
process.stdin.once('end', () => void queue.then(() => db.close()));
